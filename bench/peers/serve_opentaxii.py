#!/usr/bin/env python3
"""Serves OpenTAXII (EclecticIQ) with SQLite on loopback.

    serve_opentaxii.py PORT FOLDER [--threads yes|no]

FOLDER takes the database and outlives the process. One user (admin / pass), one API root, one
collection that may be read and written; its address is the one line on standard output:
http://127.0.0.1:PORT/taxii2/<root>/collections/<id>/. Discovery is at /taxii2/. It ends with the
process that started it: when its standard input closes, it stops.
"""
import argparse
import json
import logging
import os
import sys
import threading


def end_with_parent():
    def wait():
        while sys.stdin.buffer.read(4096):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("folder")
    parser.add_argument("--threads", choices=["yes", "no"], default="yes")
    wanted = parser.parse_args()
    folder = os.path.abspath(wanted.folder)
    os.makedirs(folder, exist_ok=True)

    def database(name):
        return {"db_connection": f"sqlite:///{folder}/{name}.db", "create_tables": True}

    # JSON is YAML; OpenTAXII reads its configuration from a file that the environment names.
    config = {
        "domain": f"127.0.0.1:{wanted.port}",
        "support_basic_auth": True,
        "return_server_error_details": False,
        "auth_api": {
            "class": "opentaxii.auth.sqldb.SQLDatabaseAPI",
            "parameters": {**database("auth"), "secret": "for loopback only", "token_ttl_secs": 3600},
        },
        "taxii1": None,
        "taxii2": {
            "title": "OpenTAXII",
            "public_discovery": True,
            "allow_custom_properties": True,
            "max_content_length": 104857600,
            "persistence_api": {
                "class": "opentaxii.persistence.sqldb.Taxii2SQLDatabaseAPI",
                "parameters": database("taxii2"),
            },
        },
        "logging": {"opentaxii": "error", "root": "error"},
    }
    path = os.path.join(folder, "opentaxii.yml")
    with open(path, "w") as out:
        json.dump(config, out)
    os.environ["OPENTAXII_CONFIG"] = path

    import waitress
    from opentaxii.cli import app
    from opentaxii.entities import Account

    logging.getLogger("waitress").setLevel(logging.ERROR)
    app.debug = False
    with app.app_context():
        server = app.taxii_server
        server.auth.api.create_account("admin", "pass", is_admin=True)
        store = server.servers.taxii2.persistence.api
        roots = list(store.get_api_roots())
        if roots:
            root = roots[0]
            collection = list(store.get_collections(api_root_id=root.id))[0]
        else:
            root = store.add_api_root(title="root", default=True)
            collection = store.add_collection(
                api_root_id=root.id, title="Exchange", alias="exchange"
            )
    end_with_parent()
    print(f"http://127.0.0.1:{wanted.port}/taxii2/{root.id}/collections/{collection.id}/", flush=True)
    waitress.serve(app, host="127.0.0.1", port=wanted.port, threads=4 if wanted.threads == "yes" else 1)


if __name__ == "__main__":
    main()
