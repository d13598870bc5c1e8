/**
 * What the tests proved, from the last run of the whole suite: `npm test` leaves its results here, and the tables read them. A result counts while no file
 * has changed since.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { root } from "./modules.ts"
import { spawnSync } from "node:child_process"
import { runtimes, type Runtime } from "./runtimes.ts"

/** A test on one runtime. */
export interface TestResult {
  readonly runtime: Runtime["name"]
  readonly file: string
  readonly title: string
  readonly status: "passed" | "failed" | "skipped"
}

const folder = path.join(root, "test/.tmp-results")
const fileOf = (runtime: string) => path.join(folder, `${runtime}.json`)

/** Keeps what a whole run on a runtime reported, in vitest's JSON. */
export const keep = (runtime: Runtime["name"], report: string): void => {
  fs.mkdirSync(folder, { recursive: true })
  const results: ReadonlyArray<any> = JSON.parse(fs.readFileSync(report, "utf8")).testResults
  const tests = results.flatMap(({ assertionResults, name }): ReadonlyArray<TestResult> =>
    assertionResults.map(({ fullName, status }: any) => ({
      runtime,
      file: path.relative(root, name).replaceAll("\\", "/"),
      title: fullName,
      status: status === "passed" || status === "failed" ? status : "skipped"
    }))
  )
  fs.writeFileSync(fileOf(runtime), JSON.stringify(tests))
}

const names = Object.keys(runtimes) as ReadonlyArray<Runtime["name"]>

const isCurrent = (): boolean => {
  if (!names.every((name) => fs.existsSync(fileOf(name)))) return false
  const oldest = Math.min(...names.map((name) => fs.statSync(fileOf(name)).mtimeMs))
  return ["src", "test", "examples", "package.json", "package-lock.json"].every((place) => {
    const whole = path.join(root, place)
    const files = fs.statSync(whole).isFile()
      ? [whole]
      : fs
          .readdirSync(whole, { recursive: true, encoding: "utf8" })
          .filter((file) => /\.(ts|json)$/.test(file) && !/(^|[\\/])(\.tmp-[^\\/]*|node_modules)[\\/]/.test(file))
          .map((file) => path.join(whole, file))
    return files.every((file) => fs.statSync(file).mtimeMs <= oldest)
  })
}

/** Every test on every runtime. Runs the suite first where the last run is not of these files. */
export const load = (): ReadonlyArray<TestResult> => {
  if (!isCurrent()) spawnSync("npm", ["test"], { cwd: root, stdio: "inherit", shell: process.platform === "win32" })
  return names.flatMap((name) =>
    fs.existsSync(fileOf(name)) ? (JSON.parse(fs.readFileSync(fileOf(name), "utf8")) as ReadonlyArray<TestResult>) : []
  )
}

/** Something that tests are to prove, by naming its id in their titles. */
export interface Claim {
  readonly id: string
  readonly title: string
}

/** What the tests that name a claim say of it. */
export interface Proof {
  readonly verdict: "proven" | "failed" | "skipped" | "open"
  /** The runtimes a test of it passed on. */
  readonly on: ReadonlyArray<string>
  /** How many tests name it. */
  readonly tests: number
  /** The first of them. */
  readonly file: string
}

/** The proof of a claim. */
export const prove = (claim: Claim, results: ReadonlyArray<TestResult>): Proof => {
  const mine = new RegExp(`(^|[^A-Za-z0-9])${claim.id}([^0-9]|$)`)
  const found = results.filter(({ title }) => mine.test(title))
  const passed = found.filter(({ status }) => status === "passed")
  return {
    verdict: found.some(({ status }) => status === "failed")
      ? "failed"
      : passed.length > 0
        ? "proven"
        : found.length > 0
          ? "skipped"
          : "open",
    on: names.filter((name) => passed.some(({ runtime }) => runtime === name)),
    tests: new Set(found.map(({ file, title }) => `${file} ${title}`)).size,
    file: (passed[0] ?? found[0])?.file ?? ""
  }
}

/** A line of a table: `id`, verdict, runtimes, number of tests, where, what. */
export const line = ({ id, title }: Claim, { file, on, tests, verdict }: Proof): string =>
  [
    id.padEnd(5),
    verdict.padEnd(8),
    on.join(" ").padEnd(14),
    String(tests).padStart(4),
    file.replace(/^test\//, "").padEnd(44),
    title
  ].join(" ")
