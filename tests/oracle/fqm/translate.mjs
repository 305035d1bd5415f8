// Translates CQL to ELM.  node translate.mjs MODULES FILE.cql > FILE.json
// MODULES: the folder of packages, outside the project.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, file] = process.argv.slice(2);
const translator = await import(pathToFileURL(path.join(modules, "@cqframework/cql/cql-to-elm.mjs")));
const fhir = fs.readFileSync(path.join(modules, "cql-exec-fhir/lib/modelInfos/fhir-modelinfo-4.0.1.xml"), "utf8");

// The package holds no description of CQL's own types; these are the types of the language's specification.
const simple = ["Boolean", "Integer", "Long", "Decimal", "String", "Date", "DateTime", "Time"];
const classes = {
  Quantity: { value: "Decimal", unit: "String" },
  Ratio: { numerator: "Quantity", denominator: "Quantity" },
  Code: { code: "String", system: "String", version: "String", display: "String" },
  Concept: { codes: ["Code"], display: "String" },
  Vocabulary: { id: "String", version: "String", name: "String" },
};
const element = ([name, type]) =>
  Array.isArray(type)
    ? `<m:element name="${name}"><m:elementTypeSpecifier xsi:type="m:ListTypeSpecifier" elementType="System.${type[0]}"/></m:element>`
    : `<m:element name="${name}" elementType="System.${type}"/>`;
const kind = (name, base, inner = "", type = "ClassInfo") =>
  `<m:typeInfo xsi:type="m:${type}" name="System.${name}"${base ? ` baseType="System.${base}"` : ""}>${inner}</m:typeInfo>`;
const system =
  '<m:modelInfo name="System" version="1.0.0" url="urn:hl7-org:elm-types:r1" xmlns:m="urn:hl7-org:elm-modelinfo:r1"' +
  ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">' +
  kind("Any", "", "", "SimpleTypeInfo") +
  simple.map((name) => kind(name, "Any", "", "SimpleTypeInfo")).join("") +
  Object.entries(classes).map(([name, elements]) => kind(name, "Any", Object.entries(elements).map(element).join(""))).join("") +
  kind("ValueSet", "Vocabulary") +
  kind("CodeSystem", "Vocabulary") +
  "</m:modelInfo>";

const models = new translator.ModelManager();
const sources = { System: system, FHIR: fhir };
models.modelInfoLoader.registerModelInfoProvider(
  translator.createModelInfoProvider((name) => (sources[name] ? translator.stringAsSource(sources[name]) : null)),
);
// Units of literals are checked while translating; nothing is computed with them.
const units = createRequire(path.resolve(modules, "x.js"))("@lhncbc/ucum-lhc").UcumLhcUtils.getInstance();
const refuse = () => {
  throw new Error("units are not computed with");
};
const service = translator.createUcumService(
  refuse,
  (unit) => (units.validateUnitString(unit).status === "valid" ? null : `${unit} is no unit`),
  refuse,
  refuse,
);
const libraries = new translator.LibraryManager(models, undefined, undefined, service);
const translated = translator.CqlTranslator.fromText(fs.readFileSync(file, "utf8"), libraries);
const errors = translated.errors.asJsReadonlyArrayView();
if (errors.length) {
  for (const error of errors) console.error(error.message);
  process.exit(1);
}
process.stdout.write(translated.toJson());
