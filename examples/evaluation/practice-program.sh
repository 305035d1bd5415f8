#!/bin/sh
# A program for practices in a generated population, whose true effect is known: panel from claims, study, truth.
#   sh practice-program.sh OUT [MEMBERS] [CHANGE] [SEED]
# OUT gets population, panel and report; 20,000 members, an effect of -0.3 and seed 1 when absent, as openvbp demo has
# them. CHANGE 0: no effect.
set -eu
study=$(dirname "$0")/practice-program.yaml
openvbp generate --members "${2:-20000}" --years 3 --first-year 2022 --seed "${4:-1}" \
    --set program.change="${3:--0.3}" --set program.months_to_full=6 --set program.start_months=13,16,19 \
    --set program.fewest_clinicians=1 --set program.participant_share=0.5 \
    --out "$1/population" --no-calibration >/dev/null
openvbp claims panel "$1/population" --period 2022-01..2024-12 --assigned-in 2022-01..2022-12 \
    --starts "$1/population" --to "$1/panel.csv" >/dev/null
openvbp evaluate run "$study" --data "$1" --out "$1/report"
openvbp evaluate truth "$study" --data "$1"
