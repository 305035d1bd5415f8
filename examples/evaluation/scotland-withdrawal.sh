#!/bin/sh
# Scotland's Quality and Outcomes Framework ended in April 2016: achievement before and after it, on denominators as
# published and on registers.
#   sh scotland-withdrawal.sh FOLDER OUT
# FOLDER holds the publications, see scotland_withdrawal.py; OUT gets panels, tables and two reports.
set -eu
here=$(dirname "$0")
python3 "$here/scotland_withdrawal.py" "$1" "$2"
for study in scotland-withdrawal scotland-withdrawal-registers; do
    openvbp evaluate run "$here/$study.yaml" --data "$2" --out "$2/$study" >"$2/$study.txt"
    sed -n '1,12p' "$2/$study.txt"
done
