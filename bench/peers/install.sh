#!/usr/bin/env bash
# Installs medallion and OpenTAXII, and two clients to try them with, into a Python venv, with pinned
# versions, waitress to serve both as one would in earnest, and makes OpenTAXII run:
#
#     install.sh VENV
#
# VENV is made if it is not there. Running this again changes nothing.
set -euo pipefail
venv="${1:?usage: install.sh VENV}"

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  medallion==3.0.0 opentaxii==0.9.3 \
  Flask==3.1.3 Flask-HTTPAuth==4.8.1 Werkzeug==3.1.9 SQLAlchemy==2.1.9 marshmallow==4.4.0 \
  stix2==3.0.2 taxii2-client==2.3.0 waitress==3.0.2

# OpenTAXII 0.9.3 answers every resource that has an id with 500 ("Object of type UUID is not JSON
# serializable"): its database gives UUIDs, and its answer is written by a json.dumps that knows none.
# The one line that is changed, with what it becomes:
#     data = json.dumps(data)   ->   data = json.dumps(data, default=str)
answers="$("$venv/bin/python" -c 'import os, opentaxii; print(os.path.dirname(opentaxii.__file__))')/taxii2/http.py"
sed -i 's/^\( *data = json\.dumps(data\))$/\1, default=str)/' "$answers"
grep -q 'json.dumps(data, default=str)' "$answers" || {
  echo "$answers is not what this script knows how to mend; look at its json.dumps" >&2
  exit 1
}
