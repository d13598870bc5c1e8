/**
 * Takes the protections out of a copy of the sources, one at a time, and sees the tests of their cases fail: `npm run sabotage`.
 *
 * Ids choose cases: `npm run sabotage -- S003 S105`. A sabotage counts as noticed if a test fails that names its case and passes without it; a file that
 * does not load notices nothing. Every case of rank MUST has to have one.
 */
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { sabotages } from "../sabotage/sabotages.ts"
import { applied, type Sabotage } from "../sabotage/sabotage.ts"
import { readJson, root } from "./modules.ts"

const args = process.argv.slice(2)
const cases: ReadonlyArray<{ readonly id: string; readonly level?: string }> = readJson("test/assurance/cases.json")
const ids = cases
  .filter(({ id, level }) => (args.length > 0 ? args.includes(id) : level === "MUST"))
  .map(({ id }) => id)
const unknown = args.filter((id) => !ids.includes(id))
const chosen = sabotages.filter(({ id }) => ids.includes(id))

// What fails may leave children and files behind: everything happens below one directory and in one process group.
const place = fs.mkdtempSync(path.join(os.tmpdir(), "sab-"))
const copy = path.join(place, "c")
const temporary = path.join(place, "t")
let running: number | undefined
const stop = () => {
  if (running === undefined) return
  try {
    process.kill(process.platform === "win32" ? running : -running, "SIGKILL")
  } catch {
    // It has ended, with all its children.
  }
  running = undefined
}
process.once("exit", () => {
  stop()
  fs.rmSync(place, { recursive: true, force: true, maxRetries: 3 })
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))

const write = (files: Iterable<readonly [file: string, text: string]>): void => {
  for (const [file, text] of files) fs.writeFileSync(path.join(copy, file), text)
}

const isMine = (file: string): boolean => !/(^|[\\/])(node_modules|\.tmp-[^\\/]*)$/.test(file)

fs.mkdirSync(temporary, { recursive: true })
for (const each of ["src", "test", "examples", "package.json", "deno.json", "tsconfig.json", "README.md"]) {
  fs.cpSync(path.join(root, each), path.join(copy, each), { recursive: true, filter: isMine })
}
fs.symlinkSync(path.join(root, "node_modules"), path.join(copy, "node_modules"), "junction")

/** The sources as they were copied: every file that is changed has been read before. */
const texts = new Map<string, string>()
const read = (file: string): string => {
  const text = texts.get(file) ?? fs.readFileSync(path.join(copy, file), "utf8")
  texts.set(file, text)
  return text
}

/** The test files that name one of the cases. */
const testFiles = fs
  .readdirSync(path.join(copy, "test"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => path.join(copy, "test", file))
  .filter((file) => ids.some((id) => fs.readFileSync(file, "utf8").includes(id)))

interface Test {
  readonly file: string
  readonly title: string
  readonly isPassed: boolean
}

/** What hangs without letting go of the processor is stopped after so many milliseconds. */
const longest = 300_000

/** Runs the tests that name one of the cases; undefined if they did not come to an end. */
const run = async (
  ids: ReadonlyArray<string>,
  files: Iterable<string>,
  ...options: ReadonlyArray<string>
): Promise<ReadonlyArray<Test> | undefined> => {
  const report = path.join(place, "report.json")
  fs.rmSync(report, { force: true })
  const child = spawn(
    process.execPath,
    [
      path.join(copy, "node_modules/vitest/vitest.mjs"),
      "run",
      ...files,
      `--testNamePattern=${ids.join("|")}`,
      ...options,
      "--maxWorkers=100%",
      "--reporter=json",
      `--outputFile.json=${report}`
    ],
    { cwd: copy, stdio: "ignore", detached: true, env: { ...process.env, TMPDIR: temporary } }
  )
  running = child.pid
  const limit = setTimeout(stop, longest)
  await new Promise<void>((resolve, reject) => child.once("error", reject).once("exit", () => resolve()))
  clearTimeout(limit)
  stop()
  if (!fs.existsSync(report)) return undefined
  const results: ReadonlyArray<any> = JSON.parse(fs.readFileSync(report, "utf8")).testResults
  return results.flatMap(({ assertionResults, name }): ReadonlyArray<Test> =>
    assertionResults
      .filter(({ status }: any) => status === "passed" || status === "failed")
      .map(({ fullName, status }: any) => ({ file: name, title: fullName, isPassed: status === "passed" }))
  )
}

const names = (id: string) => (test: Test) => test.title.includes(id)

/** What type-checks fails for what it does, and not for a name that is gone. Those that change different places are looked at together. */
const typeErrors = (): ReadonlyArray<string> => {
  const batches: Array<Map<string, string>> = []
  const add = (sabotage: Sabotage, batch: Map<string, string>): boolean => {
    try {
      for (const [file, text] of applied(sabotage, (file) => batch.get(file) ?? read(file))) batch.set(file, text)
      return true
    } catch {
      return false
    }
  }
  for (const sabotage of chosen) {
    if (!batches.some((batch) => add(sabotage, batch))) {
      const batch = new Map<string, string>()
      add(sabotage, batch)
      batches.push(batch)
    }
  }
  const tsc = [path.join(copy, "node_modules/typescript/bin/tsc"), "-p", copy, "--noUnusedLocals", "false"]
  return batches.flatMap((batch) => {
    write(batch)
    const { status, stdout } = spawnSync(process.execPath, [...tsc, "--noUnusedParameters", "false"], {
      encoding: "utf8",
      cwd: copy
    })
    write(Array.from(batch.keys(), (file) => [file, read(file)]))
    return status === 0 ? [] : [stdout]
  })
}

const attempt = async (sabotage: Sabotage, before: ReadonlyArray<Test>): Promise<string | undefined> => {
  const mine = before.filter(names(sabotage.id))
  const changed = applied(sabotage, read)
  write(changed)
  // What hangs is red as well, and a few are enough.
  const after = await run([sabotage.id], new Set(mine.map(({ file }) => file)), "--testTimeout=20000", "--bail=5")
  write(Array.from(changed.keys(), (file) => [file, read(file)]))
  if (after === undefined) return "RED (does not end)"
  const isHealthy = ({ file, title }: Test) => mine.some((test) => test.file === file && test.title === title)
  const red = after.filter((test) => !test.isPassed && isHealthy(test)).length
  return red === 0 ? undefined : `RED (${red}${red < 5 ? "" : " or more"} of ${mine.length})`
}

const failures = unknown.map((id) => `there is no case ${id}`)
for (const id of ids) if (!chosen.some((each) => each.id === id)) failures.push(`${id} has no sabotage`)
for (const each of chosen) {
  try {
    applied(each, read)
  } catch (error) {
    failures.push((error as Error).message)
  }
}
if (failures.length === 0) failures.push(...typeErrors())

if (failures.length === 0) {
  const before = (await run(ids, testFiles, "--testTimeout=60000")) ?? []
  for (const { file, isPassed, title } of before) {
    if (!isPassed) failures.push(`fails without any sabotage: ${path.relative(copy, file)} ${title}`)
  }
  const survived = new Set<string>()
  for (const sabotage of chosen) {
    const started = performance.now()
    const red = await attempt(sabotage, before)
    if (red === undefined) survived.add(sabotage.id)
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    console.log(sabotage.id, (red ?? "SURVIVED").padEnd(24), `${seconds.padStart(3)} s `, sabotage.title)
  }
  failures.push(...Array.from(survived, (id) => `${id} is not proven: its tests do not notice what is gone`))
  console.log(`\n${ids.length - survived.size} of ${ids.length}`)
}
for (const failure of failures) console.error(failure)
process.exit(failures.length > 0 ? 1 : 0)
