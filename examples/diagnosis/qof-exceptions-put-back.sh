#!/bin/sh
# Scotland's Quality and Outcomes Framework, five years: bunching at thresholds, and what is left of achievement and
# points if nobody had been left out (Doran et al., New England Journal of Medicine 355 (2006), 375-384).
#   sh qof-exceptions-put-back.sh FOLDER OUT
# FOLDER holds the publications (indicator_2010_11 and so on, see docs/programs/qof.md); OUT gets runs and report.
set -eu
for period in 2010/11 2011/12 2013/14 2014/15 2015/16; do
    openvbp run qof --period "$period" --data "$1" --out "$2/$(echo "$period" | tr / _)" >/dev/null
done
openvbp diagnose "$2"/20* --out "$2/diagnosis"
