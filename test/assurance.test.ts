/** The table of what is proven (`npm run assurance`): that it is complete, and that it and the tests speak of the same cases. */
import { describe, expect, it } from "vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { readJson, root } from "./tools/modules.ts"
import * as Results from "./tools/results.ts"

interface Case extends Results.Claim {
  readonly level?: string
  readonly notApplicable?: string
}

const cases: ReadonlyArray<Case> = readJson("test/assurance/cases.json")

/** The ids that tests and scenarios name. */
const named = new Set(
  fs
    .readdirSync(path.join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter(
      (file) =>
        /(\.test\.ts|contract\.ts|scenarios[\\/]\w+\.json)$/.test(file) && !/(assurance|sabotage)\.test/.test(file)
    )
    .flatMap((file) => fs.readFileSync(path.join(root, "test", file), "utf8").match(/\bS\d{3}\b/g) ?? [])
)

describe("the table of security cases", () => {
  it("has every case once, in order, with its rank", () => {
    expect(cases.map(({ id }) => id)).toEqual(
      Array.from({ length: 334 }, (_, n) => `S${String(n + 1).padStart(3, "0")}`)
    )
    const ranks = cases.map(({ level = "" }) => level)
    expect(["MUST", "STRONG", ""].map((rank) => ranks.filter((each) => each === rank).length)).toEqual([40, 21, 273])
  })

  it("names no case in a test that it does not have", () => {
    expect([...named].filter((id) => !cases.some((each) => each.id === id))).toEqual([])
  })

  it("says of each case why it cannot apply, or has a test that names it; of those with a rank all have", () => {
    for (const { id, level, notApplicable } of cases) {
      if (id === "S325") continue
      expect([id, named.has(id)]).toEqual([id, notApplicable === undefined])
      if (notApplicable !== undefined) {
        expect([id, level]).toEqual([id, undefined])
        expect(notApplicable).toMatch(/^[A-Z].{40,}\.$/)
      }
    }
  })

  it("counts a case on the runtimes it passed on: one that runs on a runtime and fails there is not proven (S325)", () => {
    const result = (
      runtime: "node" | "bun" | "deno",
      status: Results.TestResult["status"],
      title = "does (S001, S002)"
    ) => ({
      runtime,
      status,
      title,
      file: "test/x.test.ts"
    })
    const prove = (...results: ReadonlyArray<Results.TestResult>) => {
      const { on, verdict } = Results.prove({ id: "S001", title: "" }, results)
      return [verdict, ...on]
    }
    const all = (["node", "bun", "deno"] as const).map((runtime) => result(runtime, "passed"))
    expect(prove(...all)).toEqual(["proven", "node", "bun", "deno"])
    expect(prove(all[0]!, result("bun", "skipped"), all[2]!)).toEqual(["proven", "node", "deno"])
    expect(prove(all[0]!, result("bun", "failed"), all[2]!)).toEqual(["failed", "node", "deno"])
    expect(prove(result("node", "skipped"))).toEqual(["skipped"])
    expect(prove(result("node", "passed", "does (S0011)"), result("node", "passed", "does (XS001)"))).toEqual(["open"])
  })

  // The threats where runtimes differ: credentials that leave their origin or show themselves, servers' answers, headers, clocks, files, logins and ID tokens.
  it("has no test of a case with a rank that is left out on a runtime, but for those that start processes of all (S325)", () => {
    const ranked = cases.filter(({ level }) => level !== undefined).map(({ id }) => id)
    const elsewhere = /runIf\(is(Here|Node)\)|skipIf\(!is(Here|Node)\)|runIf\(!?"(Bun|Deno)" in globalThis\)/
    const leaving = fs
      .readdirSync(path.join(root, "test"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".test.ts") && !/assurance\.test|bench/.test(file))
      .map((file) => ({ file, text: fs.readFileSync(path.join(root, "test", file), "utf8") }))
    const everywhere = new Set(
      leaving.filter(({ text }) => !elsewhere.test(text)).flatMap(({ text }) => text.match(/\bS\d{3}\b/g) ?? [])
    )
    const processes = leaving.filter(({ text }) => elsewhere.test(text)).map(({ file }) => path.basename(file))
    expect(ranked.filter((id) => id !== "S325" && !everywhere.has(id))).toEqual([])
    expect(processes.length).toBeLessThan(8)
  })
})
