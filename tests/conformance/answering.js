// Answers each line of JSON with another one, in order, until the input ends.
//
// A line is {"ask": "exchange" | "query", ...}; what the other keys are, the modules say.
// What goes wrong is an answer too: {"error": text}.
"use strict";

const readline = require("node:readline");
const exchanges = require("./exchanges.js");
const queries = require("./queries.js");

const ASKS = { exchange: exchanges.judged, query: queries.judged };

async function answer(line) {
  try {
    const asked = JSON.parse(line);
    return await ASKS[asked.ask](asked);
  } catch (error) {
    return { error: String(error && error.stack ? error.stack : error) };
  }
}

async function main() {
  // Libraries may print what they like: stdout is for answers alone.
  console.log = console.error;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
}

main();
