#!/usr/bin/env python3
"""Unmodified clients over a node's TAXII surface, while a writer adds objects to it.

    taxii_clients.py URL USER PASSWORD [--add N] [--page N]

URL is the discovery URL; the user reads and adds. First `cytaxii2`, then the `stix2` library's
TAXIICollectionSource and TAXIICollectionSink list, read, filter and write. Then a writer adds N
objects to the national collection while each client pages through it over and over: what one
passage gives must be the beginning of the collection, in order, each object once. Exit code 0: all
as it should be; 1: something differs (each difference is a line on standard error); 2: the
libraries are missing or the arguments are wrong.
"""

import argparse
import json
import sys
import threading
import uuid

try:
    from cytaxii2.cytaxii2 import cytaxii2
    from stix2 import Filter, Identity, TAXIICollectionSink, TAXIICollectionSource
    from taxii2client.v21 import Server, as_pages
except ImportError as missing:
    print(f"a library is missing: pip install cytaxii2 stix2 taxii2-client ({missing})", file=sys.stderr)
    sys.exit(2)

PROBLEMS = []


def check(condition, text):
    if not condition:
        PROBLEMS.append(text)
    return condition


def indicator(number):
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(uuid.NAMESPACE_URL, f'https://kz.example/{number}')}",
        "created": "2026-11-24T05:00:00.000Z",
        "modified": "2026-11-24T05:00:00.000Z",
        "pattern": f"[ipv4-addr:value = '198.51.{number // 256 % 256}.{number % 256}']",
        "pattern_type": "stix",
        "valid_from": "2026-11-24T05:00:00Z",
    }


def with_cytaxii2(client, collection):
    """Lists, reads, filters and writes with cytaxii2."""
    answer = client.root_discovery()
    check(answer["status_code"] == 200, f"cytaxii2: the API root: {answer}")
    listed = client.collection_request()
    check(collection.id in [one["id"] for one in listed["response"]["collections"]], f"cytaxii2: collections: {listed}")
    one = client.collection_data_request(collection.id)
    check(one["response"]["can_write"] is True, f"cytaxii2: the collection: {one}")
    objects = [indicator(-1), indicator(-2)]
    answer = client.inbox_request(collection.id, json.dumps({"objects": objects}))
    check(answer["status_code"] == 202 and answer["response"]["success_count"] == 2, f"cytaxii2: writing: {answer}")
    back = client.poll_request(collection.id, object_id=objects[1]["id"])
    check(back["response"].get("objects") == [objects[1]], f"cytaxii2: match[id]: {back}")
    none = client.poll_request(collection.id, object_type="malware")
    check(none["response"].get("objects") is None, f"cytaxii2: match[type]: {none}")
    wrong = client.poll_request(collection.id, limit=0)
    check(wrong["status_code"] == 400, f"cytaxii2: limit=0: {wrong}")
    nobody = cytaxii2(client.discovery_url, "nobody", "nothing").collection_request()
    check(nobody["status_code"] == 401, f"cytaxii2: a stranger: {nobody}")


def with_stix2(collection):
    """Writes with the sink and reads with the source of the stix2 library."""
    identity = Identity(name="Written by stix2", identity_class="unknown")
    sink = TAXIICollectionSink(collection)
    sink.add(identity)
    sink.add([indicator(-3), json.dumps(indicator(-4))])
    source = TAXIICollectionSource(collection, items_per_page=2)
    found = source.get(identity["id"])
    check(found is not None and found["name"] == "Written by stix2", "stix2: the identity is not read back")
    check(source.get(f"identity--{uuid.uuid4()}") is None, "stix2: what is not there is found")
    check(len(source.all_versions(identity["id"])) == 1, "stix2: all versions")
    found = source.query([Filter("type", "=", "indicator")])
    check(len(found) == 4, f"stix2: {len(found)} indicators instead of 4")
    found = source.query([Filter("type", "=", "indicator"), Filter("id", "=", indicator(-4)["id"])])
    check([one["id"] for one in found] == [indicator(-4)["id"]], "stix2: by id")


def passages(reader, done, found):
    """Reads the collection over and over until the writer is done, and once more."""
    while True:
        last = done.is_set()
        found.append(reader())
        if last:
            return


def by_cursor(client, collection, page):
    ids, cursor = [], None
    while True:
        answer = client.poll_request(collection.id, limit=page, next=cursor)["response"]
        ids += [one["id"] for one in answer.get("objects", [])]
        cursor = answer.get("next")
        if not answer.get("more"):
            return ids


def by_date(collection, page, seen):
    """Goes on where the manifest ended the last time: what a poller does all day."""
    after = {"added_after": seen[-1]["date_added"]} if seen else {}
    for manifest in as_pages(collection.get_manifest, per_request=page, **after):
        seen.extend(manifest.get("objects", []))
    return [one["id"] for one in seen]


def while_writing(url, user, password, collection, add, page):
    done = threading.Event()

    def write():
        try:
            own = Server(url, user=user, password=password).default.collections
            target = next(one for one in own if one.id == collection.id)
            for start in range(0, add, 250):
                batch = [indicator(number) for number in range(start, min(start + 250, add))]
                status = target.add_objects({"objects": batch})
                check(status.success_count == len(batch), f"writing: {status._raw}")
        finally:
            done.set()

    seen, found = [], {name: [] for name in ("cytaxii2 by cursor", "taxii2-client by cursor", "taxii2-client by date", "stix2")}

    def other():
        return next(one for one in Server(url, user=user, password=password).default.collections if one.id == collection.id)

    collections = [other() for _ in range(3)]
    client = cytaxii2(url, user, password)
    source = TAXIICollectionSource(collections[2], items_per_page=5000)
    readers = {
        "cytaxii2 by cursor": lambda: by_cursor(client, collection, page),
        "taxii2-client by cursor": lambda: [
            one["id"] for envelope in as_pages(collections[0].get_objects, per_request=page) for one in envelope.get("objects", [])
        ],
        "taxii2-client by date": lambda: by_date(collections[1], page, seen),
        # The library does not keep the order.
        "stix2": lambda: sorted(one["id"] for one in source.query([Filter("type", "=", "identity")])),
    }
    threads = [threading.Thread(target=write)]
    threads += [threading.Thread(target=passages, args=(reader, done, found[name])) for name, reader in readers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = by_cursor(client, collection, 5000)
    check(len(whole) == len(set(whole)) and len(whole) >= add, f"the collection has {len(whole)} objects, {len(set(whole))} different")
    for name, results in found.items():
        if name == "stix2":
            check(results and all(result == results[0] for result in results), "stix2: identities change while indicators come")
            continue
        check(results and results[-1] == whole, f"{name}: the last passage is not the whole")
        for result in results:
            check(result == whole[: len(result)], f"{name}: {len(result)} objects are not the beginning of the collection")
    return {name: [len(result) for result in results] for name, results in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--add", type=int, default=10_000, help="objects that the writer adds")
    parser.add_argument("--page", type=int, default=400, help="objects asked for per page")
    arguments = parser.parse_args()
    server = Server(arguments.url, user=arguments.user, password=arguments.password)
    collection = next(one for one in server.default.collections if one.alias == "national")
    with_cytaxii2(cytaxii2(arguments.url, arguments.user, arguments.password), collection)
    with_stix2(collection)
    passed = while_writing(arguments.url, arguments.user, arguments.password, collection, arguments.add, arguments.page)
    json.dump(passed, sys.stdout)
    print()
    for problem in PROBLEMS:
        print(problem, file=sys.stderr)
    return 1 if PROBLEMS else 0


if __name__ == "__main__":
    sys.exit(main())
