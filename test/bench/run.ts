/**
 * `npm run bench -- [workload…] [--json] [--rounds=N] [--check] [--store]`: measures the workloads named, or all, and prints a table for each. `--check` compares the
 * ratios with those in `ratios.json`, before a release; `--store` replaces them there.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import { disturbed, measure, type Row, type Table, weigh } from "./harness.ts"
import { print } from "./print.ts"

const workloads: Readonly<Record<string, () => Promise<{ readonly tables: () => ReadonlyArray<Table> }>>> = {
  hot: () => import("./hot.ts"),
  client: () => import("./client.ts"),
  stampede: () => import("./stampede.ts"),
  rotation: () => import("./rotation.ts"),
  store: () => import("./store.ts"),
  tenants: () => import("./tenants.ts"),
  renewals: () => import("./renewals.ts"),
  jwt: () => import("./jwt.ts"),
  cold: () => import("./cold.ts"),
  bundle: () => import("./bundle.ts"),
  fleet: () => import("./fleet.ts")
}

const args = process.argv.slice(2)
const asked = args.filter((arg) => !arg.startsWith("--"))
const rounds = args.find((arg) => arg.startsWith("--rounds="))?.slice("--rounds=".length)
const unknown = [
  ...asked.filter((name) => !(name in workloads)),
  ...args.filter((arg) => arg.startsWith("--") && !/^--(json|check|store|weigh|rounds=[1-9]\d*)$/.test(arg))
]
if (unknown.length > 0) {
  console.error(
    `unknown: ${unknown.join(", ")}. Workloads: ${Object.keys(workloads).join(", ")}; options: --json, --rounds=N, --check, --store`
  )
  process.exit(1)
}

type Bytes = Readonly<Record<string, Readonly<Record<string, number>>>>

/** Allocation is measured in a process of its own, where nothing is collected meanwhile. */
const bytesOf = (name: string): Bytes =>
  JSON.parse(
    execFileSync(
      process.execPath,
      ["--min-semi-space-size=256", "--max-semi-space-size=256", process.argv[1]!, name, "--weigh"],
      { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }
    )
  )

const report: Array<{ readonly title: string; readonly rows: ReadonlyArray<Row & { readonly bytes?: number }> }> = []
for (const name of asked.length > 0 ? asked : Object.keys(workloads)) {
  const tables = (await workloads[name]!()).tables()
  if (args.includes("--weigh")) {
    const weighed: Record<string, Bytes[string]> = {}
    for (const table of tables)
      if (table.weighed !== undefined) weighed[table.title] = await weigh(table, table.weighed)
    console.log(JSON.stringify(weighed))
    continue
  }
  const bytes = tables.some(({ weighed }) => weighed !== undefined) ? bytesOf(name) : {}
  for (const table of tables) {
    const [measured, others] = await disturbed(() => measure(table, rounds === undefined ? undefined : Number(rounds)))
    const rows = measured.map((row) => ({
      ...row,
      ...(table.title in bytes && { bytes: bytes[table.title]![row.name]! })
    }))
    report.push({ title: table.title, rows })
    if (!args.includes("--json")) print(table, rows, others)
  }
}
if (args.includes("--json")) {
  console.log(JSON.stringify({ node: process.version, cpu: os.cpus()[0]?.model, tables: report }, undefined, 2))
}
type Ratios = Record<string, Record<string, Record<string, number>>>
const stored = "ratios.json"
const before: Ratios = fs.existsSync(stored) ? JSON.parse(fs.readFileSync(stored, "utf8")) : {}
const isCompared = args.includes("--check") || args.includes("--store")
// What becomes of other libraries is not for us to look after.
const others = isCompared ? (await import("./peers.ts")).peers.map(({ name }) => name) : []
const now: Ratios = Object.fromEntries(
  report
    .filter(({ rows }) => rows.some(({ ratios }) => Object.keys(ratios).length > 0))
    .map(({ rows, title }) => [
      title,
      Object.fromEntries(rows.flatMap(({ name, ratios }) => (others.includes(name) ? [] : [[name, ratios]])))
    ])
)
if (args.includes("--check")) {
  // Half as much again: less than that is what else the machine does.
  const worse = Object.entries(now).flatMap(([title, rows]) =>
    Object.entries(rows).flatMap(([name, ratios]) =>
      Object.entries(ratios).flatMap(([floor, ratio]) => {
        const was = before[title]?.[name]?.[floor]
        return was !== undefined && ratio > was * 1.5
          ? [`${title}, ${name}: ${ratio.toFixed(2)} × ${floor}, was ${was.toFixed(2)}`]
          : []
      })
    )
  )
  console.error(worse.length === 0 ? "no ratio is worse than the stored one" : worse.join("\n"))
  process.exitCode = worse.length === 0 ? 0 : 1
}
if (args.includes("--store")) fs.writeFileSync(stored, `${JSON.stringify({ ...before, ...now }, undefined, 2)}\n`)
// Schedules that were measured would go on for ever.
process.exit()
