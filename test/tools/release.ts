/**
 * Says whether this can be released: `npm run release:check`.
 *
 * First what is seen at one look, all of it; then, if nothing was refused, every gate that runs something, in order of cost. What a gate prints is shown if it fails.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { readJson, root } from "./modules.ts"
import { refusals } from "./releaseGates.ts"
import { runtimes } from "./runtimes.ts"

const git = (...args: ReadonlyArray<string>): string => {
  const { error, status, stderr, stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8" })
  if (error !== undefined || status !== 0) throw new Error(`git ${args.join(" ")}: ${error?.message ?? stderr}`)
  return stdout
}
const npm = process.env["npm_execpath"]
const npmRun = (...args: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...(npm === undefined ? ["npm"] : [process.execPath, npm]),
  "run",
  ...args
]

/** What runs something, and what to say if it fails. */
const gates: ReadonlyArray<readonly [title: string, command: ReadonlyArray<string>, refusal: string]> = [
  ["npm run check", npmRun("check"), "npm run check fails: mend what it names above."],
  [
    "JSR, as if it were published",
    [runtimes.deno().command, "publish", "--dry-run"],
    "JSR would refuse the package: mend what it names above."
  ],
  ["npm run docs", npmRun("docs"), "The API documentation cannot be made: mend what it names above."],
  [
    "npm run check:package, the tarball on Node, Bun and Deno",
    npmRun("check:package"),
    "The packed package does not work for a stranger: mend what is marked ✗ above."
  ],
  ["npm test, on Node, Bun and Deno", npmRun("test"), "Tests fail: mend those that are named above."]
]

const look = (): ReadonlyArray<string> => {
  const lock = readJson("package-lock.json")
  return refusals({
    status: git("status", "--porcelain"),
    tags: git("tag", "--no-contains", "HEAD").split("\n"),
    version: readJson("package.json").version,
    followers: {
      "deno.json": readJson("deno.json").version,
      "package-lock.json": lock.version === lock.packages[""].version ? lock.version : "differs from itself"
    },
    changelog: fs.readFileSync(path.join(root, "CHANGELOG.md"), "utf8")
  })
}

const refused = [...look()]
if (refused.length === 0) {
  for (const [title, [command, ...args], refusal] of gates) {
    const started = performance.now()
    const { error, status, stderr, stdout } = spawnSync(command!, args, {
      cwd: root,
      encoding: "utf8",
      maxBuffer: 1 << 28
    })
    const ok = error === undefined && status === 0
    console.log(`${ok ? "✓" : "✗"} ${title} (${((performance.now() - started) / 1000).toFixed(0)} s)`)
    if (ok) continue
    console.log([error?.message, stdout, stderr].filter(Boolean).join("\n"))
    refused.push(refusal)
  }
  // Whatever ran may have written something.
  refused.push(...look())
}
for (const sentence of refused) console.log(`Refused. ${sentence}`)
if (refused.length === 0) console.log(`${readJson("package.json").version} can be released.`)
process.exitCode = refused.length > 0 ? 1 : 0
