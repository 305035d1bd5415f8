#!/bin/sh
# Who is penalised for hospital-acquired conditions, who is again, and how large they are: FY2019 to FY2021.
#   sh hacrp-penalties.sh FOLDER OUT
# FOLDER holds one file a year with the columns Hospital (name and certification number in brackets), Beds, scores and
# Payment Reduction; OUT gets runs, beds.csv and the report.
set -eu
mkdir -p "$2"
for year in 2019 2020 2021; do
    openvbp run hacrp --period "FY$year" --data "$1" --out "$2/FY$year" >/dev/null
done
python3 - "$1" "$2/beds.csv" <<'EOF'
import csv, pathlib, re, sys

beds = {}
for file in sorted(pathlib.Path(sys.argv[1]).glob("hacrp_20*.csv")):
    for row in csv.DictReader(file.open(newline="", encoding="utf-8")):
        number = re.search(r"\((\w{6})\)$", row["Hospital"])
        if number and row["Beds"]:
            beds[number[1]] = row["Beds"]
with open(sys.argv[2], "w", newline="") as out:
    csv.writer(out).writerows([("provider_id", "beds"), *sorted(beds.items())])
EOF
openvbp diagnose "$2"/FY* --out "$2/diagnosis" --providers "$2/beds.csv" --bands beds=100,200,400
