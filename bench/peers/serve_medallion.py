#!/usr/bin/env python3
"""Serves medallion (the OASIS reference server) with its memory back end on loopback.

    serve_medallion.py PORT [--page-size N] [--threads yes|no]

One user (admin / pass), one API root, one collection that may be read and written:
http://127.0.0.1:PORT/root/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/. Discovery is at
/taxii2/. It ends with the process that started it: when its standard input closes, it stops.
"""
import argparse
import io
import json
import logging
import os
import sys
import threading

COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


def data(port):
    base = f"http://127.0.0.1:{port}"
    return {
        "/discovery": {
            "title": "medallion",
            "default": f"{base}/root/",
            "api_roots": [f"{base}/root/"],
        },
        "root": {
            "information": {
                "title": "root",
                "versions": ["application/taxii+json;version=2.1"],
                "max_content_length": 104857600,
            },
            "status": [],
            "collections": [
                {
                    "id": COLLECTION,
                    "title": "Exchange",
                    "alias": "exchange",
                    "can_read": True,
                    "can_write": True,
                    "media_types": ["application/stix+json;version=2.1"],
                    "objects": [],
                    "manifest": [],
                }
            ],
        },
    }


def end_with_parent():
    def wait():
        while sys.stdin.buffer.read(4096):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--page-size", type=int, default=1000, help="largest page (default 1000)")
    parser.add_argument("--threads", choices=["yes", "no"], default="yes")
    wanted = parser.parse_args()

    import waitress
    from medallion import application_instance as app
    from medallion import register_blueprints, set_config

    logging.getLogger("waitress").setLevel(logging.ERROR)
    config = {
        "users": {"admin": "pass"},
        "taxii": {"max_page_size": wanted.page_size},
        "backend": {
            "module": "medallion.backends.memory_backend",
            "module_class": "MemoryBackend",
            "filename": io.StringIO(json.dumps(data(wanted.port))),
        },
    }
    for part in ("users", "taxii", "backend"):
        set_config(app, part, config)
    register_blueprints(app)
    end_with_parent()
    print("serving", flush=True)
    waitress.serve(app, host="127.0.0.1", port=wanted.port, threads=4 if wanted.threads == "yes" else 1)


if __name__ == "__main__":
    main()
