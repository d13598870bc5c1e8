/**
 * Checks that everything public is documented and says its type: `npm run check:api`.
 *
 * The judge is `deno doc --lint`. Of its complaints one kind is sorted out here: types of Effect, and the named superclasses
 * of the errors, count as private for it although no reader misses them.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { publicModules, root } from "./modules.ts"
import { runtimes } from "./runtimes.ts"

const files = publicModules().map(({ file }) => `src/${file}.ts`)
const { stderr, stdout } = spawnSync(runtimes.deno().command, ["doc", "--lint", ...files], {
  cwd: root,
  encoding: "utf8",
  env: { ...process.env, NO_COLOR: "1" },
  maxBuffer: 1 << 28
})
const output = `${stdout}\n${stderr}`
const diagnostics = output.split(/^(?=error)/m).filter((block) => block.startsWith("error["))

/** Whether the private type is one of ours that its file should export. */
const isOurs = (name: string, file: string): boolean =>
  new RegExp(`^(?:interface|type) ${name}\\b`, "m").test(fs.readFileSync(file, "utf8"))

const complaints = diagnostics.filter((block) => {
  const reference = /^error\[private-type-ref\]: .* references private type '(?:.*\.)?(\w+)'\s+--> (.*?):\d+:\d+/.exec(
    block
  )
  return reference === null || isOurs(reference[1]!, path.resolve(root, reference[2]!))
})

// Deno counts what it found and ends with an error; without either it did not look at all.
const looked = diagnostics.length > 0 || /Checked \d+ files?/.test(output)
if (!looked) console.log(output)
for (const complaint of complaints) console.log(complaint.trimEnd().replaceAll(`${root}${path.sep}`, ""), "\n")
console.log(looked ? `${files.length} public modules, ${complaints.length} complaints` : "deno doc could not look")
process.exitCode = complaints.length > 0 || !looked ? 1 : 0
