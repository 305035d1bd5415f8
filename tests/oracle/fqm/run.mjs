// Evaluates two measures of one library on bundles of patients.
//   node run.mjs MODULES ELM.json FOLDER START END
// FOLDER holds patients/*.json and value_sets.json. Prints one line of JSON: for each measure and patient the
// populations, and the CPU seconds that the engine took (reading and translating left out).
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, elm, folder, start, end] = process.argv.slice(2);
const { Calculator } = createRequire(path.resolve(modules, "x.js"))("fqm-execution");
const read = (file) => JSON.parse(fs.readFileSync(file, "utf8"));
const library = {
  resourceType: "Library",
  id: "library",
  url: "urn:openvbp:library",
  version: "1.0.0",
  status: "active",
  type: { coding: [{ code: "logic-library" }] },
  content: [{ contentType: "application/elm+json", data: fs.readFileSync(elm).toString("base64") }],
};
const valueSets = read(path.join(folder, "value_sets.json")).entry;
const patients = fs
  .readdirSync(path.join(folder, "patients"))
  .sort()
  .map((name) => read(path.join(folder, "patients", name)));

const populations = (numerator) =>
  Object.entries({
    "initial-population": "Initial Population",
    denominator: "Denominator",
    "denominator-exclusion": "Denominator Exclusion",
    numerator,
  }).map(([code, expression]) => ({
    id: code,
    code: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/measure-population", code }] },
    criteria: { language: "text/cql-identifier", expression },
  }));

const found = {};
for (const [name, numerator] of Object.entries({
  "electronic.diabetes_glycemia_tested": "Tested",
  "electronic.diabetes_glycemia_above_9": "Above 9",
})) {
  const measure = {
    resourceType: "Measure",
    id: name,
    url: `urn:openvbp:${name}`,
    version: "1.0.0",
    status: "active",
    library: ["Library/library"],
    scoring: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/measure-scoring", code: "proportion" }] },
    extension: [
      { url: "http://hl7.org/fhir/us/cqfmeasures/StructureDefinition/cqfm-populationBasis", valueCode: "boolean" },
    ],
    group: [{ id: "group", population: populations(numerator) }],
  };
  const bundle = {
    resourceType: "Bundle",
    type: "collection",
    entry: [{ resource: measure }, { resource: library }, ...valueSets],
  };
  const options = {
    measurementPeriodStart: start,
    measurementPeriodEnd: end,
    calculateHTML: false,
    calculateSDEs: false,
    verboseCalculationResults: false,
    trustMetaProfile: false,
  };
  const before = process.cpuUsage();
  const { results } = await Calculator.calculate(bundle, patients, options);
  const used = process.cpuUsage(before);
  const seconds = (used.user + used.system) / 1e6;
  const members = {};
  for (const result of results) {
    const counted = result.detailedResults[0].populationResults;
    members[result.patientId] = Object.fromEntries(counted.map((one) => [one.populationType, Number(one.result)]));
  }
  found[name] = { seconds, members };
}
process.stdout.write(JSON.stringify(found));
