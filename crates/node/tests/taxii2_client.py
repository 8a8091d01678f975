#!/usr/bin/env python3
"""Reads a node's TAXII surface with the unmodified `taxii2-client` library and checks what it gets.

    taxii2_client.py URL USER PASSWORD [--expect ALIAS=COUNT]... [--page N] [--write] [--stix2]

URL is the discovery URL (http://host:port/taxii2/). Every collection is read page by page, as
objects and as manifest, in the latest and in all versions; the ways must agree. Counts go to
standard output as JSON. Exit code 0: all agree and every expected count is met; 1: something
differs (each difference is a line on standard error); 2: the libraries are missing or the
arguments are wrong.
"""

import argparse
import json
import sys
import uuid

try:
    from taxii2client.v21 import Server, as_pages
except ImportError:
    print("taxii2-client is missing: pip install taxii2-client", file=sys.stderr)
    sys.exit(2)

PROBLEMS = []


def check(condition, text):
    if not condition:
        PROBLEMS.append(text)
    return condition


def ids(get, page, **filters):
    """The ids that paging yields, in order."""
    found = []
    for envelope in as_pages(get, per_request=page, **filters):
        found.extend(item["id"] for item in envelope.get("objects", []))
    return found


def read(collection, page, with_stix2):
    """Reads one collection in every way and gives its counts."""
    name = collection.alias
    latest = ids(collection.get_objects, page)
    check(len(set(latest)) == len(latest), f"{name}: an object came twice")
    manifest = ids(collection.get_manifest, page)
    check(manifest == latest, f"{name}: manifest and objects differ ({len(manifest)}, {len(latest)})")
    versions = ids(collection.get_objects, page, version="all")
    check(set(versions) == set(latest), f"{name}: all versions show other objects than the latest")
    check(ids(collection.get_manifest, page, version="all") == versions, f"{name}: manifest of all versions differs")

    kinds = sorted({item.split("--")[0] for item in latest})
    by_kind = sum(len(ids(collection.get_objects, page, type=kind)) for kind in kinds)
    check(by_kind == len(latest), f"{name}: by type there are {by_kind} of {len(latest)} objects")

    for item in latest[:: max(1, len(latest) // 5)][:5]:
        one = collection.get_object(item)["objects"]
        check([found["id"] for found in one] == [item], f"{name}: {item} is not read alone")
        listed = collection.object_versions(item)["versions"]
        check(len(listed) == versions.count(item), f"{name}: {item} has {len(listed)} versions listed")
    if latest:
        picked = ids(collection.get_objects, page, id=latest[-20:])
        check(sorted(picked) == sorted(latest[-20:]), f"{name}: match[id] of a list")
    if with_stix2 and latest:
        read_with_stix2(collection, latest)
    return {
        "id": collection.id,
        "title": collection.title,
        "can_write": collection.can_write,
        "objects": len(latest),
        "versions": len(versions),
        "types": kinds,
    }


def read_with_stix2(collection, latest):
    """The `stix2` library's source over the same collection."""
    from stix2 import Filter, TAXIICollectionSource

    source = TAXIICollectionSource(collection, allow_custom=True)
    for item in latest[:3]:
        found = source.get(item)
        check(found is not None and found["id"] == item, f"{collection.alias}: stix2 does not get {item}")
        check(len(source.all_versions(item)) >= 1, f"{collection.alias}: stix2 finds no version of {item}")
    kind = latest[0].split("--")[0]
    found = source.query([Filter("type", "=", kind)])
    check(found and all(item["type"] == kind for item in found), f"{collection.alias}: stix2 query by type")


def write(root, collection, with_stix2):
    """Adds objects in every way and reads them back; gives how many are new."""
    identity = {
        "type": "identity",
        "spec_version": "2.1",
        "id": f"identity--{uuid.uuid4()}",
        "created": "2026-11-24T05:00:00.000Z",
        "modified": "2026-11-24T05:00:00.000Z",
        "name": "Written by taxii2-client",
    }
    for attempt in ("first", "duplicate"):
        status = collection.add_objects({"objects": [identity]})
        good = status.status == "complete" and status.success_count == 1 and status.failure_count == 0
        check(good, f"writing ({attempt}): {status._raw}")
        check(root.get_status(status.id).success_count == 1, f"the status of the {attempt} writing is not kept")
    changed = dict(identity, name="Contradiction")
    status = collection.add_objects({"objects": [changed, {"type": "nonsense"}]})
    check(status.failure_count == 2 and len(status.failures) == 2, f"contradiction: {status._raw}")
    check(root.get_status(status.id).failure_count == 2, "the status of the contradiction is not kept")
    back = collection.get_object(identity["id"])["objects"]
    check(back == [identity], f"read back: {back}")
    if not with_stix2:
        return 1
    from stix2 import Identity, TAXIICollectionSink

    other = Identity(name="Written by stix2", identity_class="unknown")
    TAXIICollectionSink(collection).add(other)
    back = collection.get_object(other.id)["objects"]
    check([item["name"] for item in back] == ["Written by stix2"], f"read back from stix2: {back}")
    return 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--expect", action="append", default=[], metavar="ALIAS=COUNT", help="objects (latest versions)")
    parser.add_argument("--page", type=int, default=100, help="objects asked for per page")
    parser.add_argument("--write", action="store_true", help="add objects to the first writable collection")
    parser.add_argument("--stix2", action="store_true", help="read and write with the stix2 library too")
    parser.add_argument("--insecure", action="store_true", help="do not check the server's certificate")
    arguments = parser.parse_args()

    server = Server(arguments.url, user=arguments.user, password=arguments.password, verify=not arguments.insecure)
    root = server.default
    check(root is not None, "discovery names no default API root")
    report = {"title": server.title, "collections": {}}
    for collection in root.collections:
        report["collections"][collection.alias] = read(collection, arguments.page, arguments.stix2)
    for expected in arguments.expect:
        alias, _, count = expected.partition("=")
        got = report["collections"].get(alias, {}).get("objects")
        check(got == int(count), f"{alias}: {got} objects, {count} expected")
    if arguments.write:
        writable = [collection for collection in root.collections if collection.can_write]
        if check(writable, "no collection can be written to"):
            report["written"] = write(root, writable[0], arguments.stix2)
    json.dump(report, sys.stdout, indent=2)
    print()
    for problem in PROBLEMS:
        print(problem, file=sys.stderr)
    return 1 if PROBLEMS else 0


if __name__ == "__main__":
    sys.exit(main())
