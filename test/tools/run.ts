/**
 * Runs the test suite on Node, Bun and Deno and says which ran what: `npm test`.
 *
 * Words that name a runtime choose it, everything else goes to vitest: `npm test -- deno test/Token.test.ts`.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { root } from "./modules.ts"
import * as Results from "./results.ts"
import { type Runtime, runtimes } from "./runtimes.ts"

interface Result {
  readonly runtime: Runtime
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly files: number
  readonly seconds: number
}

const isRuntime = (word: string): word is Runtime["name"] => Object.hasOwn(runtimes, word)
const args = process.argv.slice(2)
const chosen = args.filter(isRuntime)
const names = chosen.length > 0 ? chosen : (["node", "bun", "deno"] as const)
const vitestArgs = args.filter((word) => !isRuntime(word))
const workers = Math.max(4, os.availableParallelism())
/** For the tests as well, so that nothing of theirs is left; other users may pass, and the names of sockets in it have to be short. */
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "ec-"))
fs.chmodSync(temporary, 0o755)

const runOn = async (runtime: Runtime): Promise<Result> => {
  const title = `${runtime.name} ${runtime.version}`
  const report = path.join(temporary, `${runtime.name}.json`)
  const started = performance.now()
  console.log(`\n── ${title}`)
  const child = spawn(
    runtime.command,
    [
      ...runtime.run,
      path.join(root, "node_modules/vitest/vitest.mjs"),
      "run",
      "--config=test/vitest.config.ts",
      "--dir=test",
      "--exclude=test/bench/**",
      // A busy machine is no reason to fail: what waits for ever still does.
      "--testTimeout=60000",
      // More than the cores of a small machine: much of a test is waiting. As few as many, or vitest 3 ends those that still work.
      `--minWorkers=${workers}`,
      `--maxWorkers=${workers}`,
      // Files share the modules that a worker has loaded, which is most of what a file would take.
      "--no-isolate",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...vitestArgs
    ],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, TMPDIR: temporary } }
  )
  const code = await new Promise<number | null>((resolve, reject) => child.once("error", reject).once("exit", resolve))
  const seconds = (performance.now() - started) / 1000
  if (!fs.existsSync(report)) return { runtime, passed: 0, failed: 1, skipped: 0, files: 0, seconds }
  if (vitestArgs.length === 0) Results.keep(runtime.name, report)
  const json = JSON.parse(fs.readFileSync(report, "utf8"))
  const passed: number = json.numPassedTests
  // A file that cannot be loaded and an unhandled rejection count no test as failed, but they did fail.
  const failed = Math.max(json.numFailedTests, code === 0 && passed > 0 ? 0 : 1)
  const skipped: number = json.numPendingTests + json.numTodoTests
  return { runtime, passed, failed, skipped, files: json.testResults.length, seconds }
}

const results: Array<Result> = []
for (const name of names) results.push(await runOn(runtimes[name]()))
fs.rmSync(temporary, { recursive: true, force: true })

console.log()
for (const { failed, files, passed, runtime, seconds, skipped } of results) {
  const title = `${runtime.name} ${runtime.version}`
  const counts = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`
  console.log(`${title.padEnd(14)}${counts} in ${files} files, ${seconds.toFixed(1)} s`)
}
const total = (key: "passed" | "failed" | "skipped" | "seconds"): number => results.reduce((sum, r) => sum + r[key], 0)
const skipped = total("skipped")
console.log(`all runtimes in ${total("seconds").toFixed(1)} s\n`)
console.log(`${total("passed")} passed, ${total("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
process.exitCode = total("failed") > 0 ? 1 : 0
