// Judges a query with Microsoft's own parser and binder of Kusto's language.
//
// Asked:    {"text": query, "tables": {name: {column: type}}}
// Answered: {"columns": what it returns, "complaints": [{"code", "severity", "at", "message"}]}
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const PACKAGE = "@kusto/language-service-next/package.json";
// NB: these are browser scripts, which want to be run in this order and leave a global behind.
const SCRIPTS = ["bridge.min.js", "Kusto.Language.Bridge.min.js"];
const known = new Map();

function language() {
  if (globalThis.Kusto === undefined) {
    const folder = path.dirname(require.resolve(PACKAGE));
    for (const name of SCRIPTS) {
      vm.runInThisContext(fs.readFileSync(path.join(folder, name), "utf8"), { filename: name });
    }
  }
  return globalThis.Kusto.Language;
}

function globals(tables) {
  const key = JSON.stringify(tables);
  if (!known.has(key)) {
    const { GlobalState, Symbols } = language();
    const symbols = Object.entries(tables).map(([name, columns]) => {
      // NB: in brackets, or a column called `kind` ends the schema.
      const schema = Object.entries(columns).map(([column, type]) => `['${column}']:${type}`);
      return new Symbols.TableSymbol.$ctor7(name, `(${schema.join(",")})`, null);
    });
    const database = new Symbols.DatabaseSymbol.ctor("graph", symbols);
    known.set(key, GlobalState.Default.WithDatabase(database));
  }
  return known.get(key);
}

function judged({ text, tables }) {
  const { KustoCode, Symbols } = language();
  const code = KustoCode.ParseAndAnalyze(text, globals(tables));
  const found = code.GetDiagnostics();
  const complaints = [];
  for (let number = 0; number < found.Count; number += 1) {
    const { Code, Severity, Start, Message } = found.getItem(number);
    complaints.push({ code: Code, severity: Severity, at: Start, message: Message });
  }
  const { ResultType } = code;
  return { columns: ResultType ? Symbols.SchemaDisplay.GetText(ResultType) : "", complaints };
}

module.exports = { judged };
