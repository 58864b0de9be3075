// Judges a request and its answer by the official OpenAPI files, with Microsoft's validator.
//
// Asked:    {"specifications": folder, "liveRequest": ..., "liveResponse": ...}
// Answered: {"operation": id, "complaints": [{"in", "code", "path", "message"}]}
"use strict";

const path = require("node:path");

const SWAGGERS = "**/{extensions,extensionTypes,connectedClusters,resourcegraph}.json";
const silent = () => {};
const validators = new Map();

async function loaded(specifications) {
  const { LiveValidator } = require("oav/dist/lib/liveValidation/liveValidator.js");
  const validator = new LiveValidator(
    {
      directory: specifications,
      swaggerPathsPattern: [SWAGGERS],
      excludedSwaggerPathsPattern: ["**/examples/**"],
      git: { shouldClone: false },
      loadValidatorInBackground: false,
      loadValidatorInInitialize: false,
      // Then a 202 must have the header by which its operation is followed.
      isArmCall: true,
    },
    silent,
  );
  await validator.initialize();
  return validator;
}

function validatorOf(specifications) {
  const folder = path.resolve(specifications);
  if (!validators.has(folder)) {
    validators.set(folder, loaded(folder));
  }
  return validators.get(folder);
}

function complaintsOf(side, result) {
  const found = [];
  if (result.runtimeException) {
    const { code, message } = result.runtimeException;
    found.push({ in: side, code, path: "", message });
  }
  for (const { code, message, pathsInPayload } of result.errors) {
    // One complaint may be about several places.
    for (const place of pathsInPayload.length > 0 ? pathsInPayload : [""]) {
      found.push({ in: side, code, path: place, message });
    }
  }
  return found;
}

async function judged({ specifications, liveRequest, liveResponse }) {
  const validator = await validatorOf(specifications);
  const found = await validator.validateLiveRequestResponse({ liveRequest, liveResponse });
  const { requestValidationResult: asked, responseValidationResult: answered } = found;
  const sides = [
    ["exchange", { runtimeException: found.runtimeException, errors: [] }],
    ["request", asked],
    // Where no operation fits the request, both results are the same one.
    ["response", answered === asked ? { errors: [] } : answered],
  ];
  return {
    operation: asked.operationInfo.operationId,
    complaints: sides.flatMap(([side, result]) => complaintsOf(side, result)),
  };
}

module.exports = { judged };
