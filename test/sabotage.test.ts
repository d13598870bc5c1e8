import { describe, expect, it } from "vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { applied } from "./sabotage/sabotage.ts"
import { sabotages } from "./sabotage/sabotages.ts"
import { readJson, root } from "./tools/modules.ts"

const read = (file: string): string => fs.readFileSync(path.join(root, file), "utf8")

describe("a sabotage", () => {
  it.each(sabotages.map((each) => [each.id, each.title, each] as const))("of %s that %s applies", (_, __, sabotage) => {
    for (const [file, text] of applied(sabotage, read)) expect(text).not.toBe(read(file))
  })

  it("is there for every case of rank MUST, and for no other", () => {
    const cases: ReadonlyArray<{ readonly id: string; readonly level?: string }> = readJson("test/assurance/cases.json")
    const must = cases.filter(({ level }) => level === "MUST").map(({ id }) => id)
    expect(Array.from(new Set(sabotages.map(({ id }) => id)))).toEqual(must)
  })

  it("has a title of its own", () => {
    const titles = sabotages.map(({ title }) => title)
    expect(new Set(titles).size).toBe(titles.length)
  })

  it("whose text is gone, or there twice, is told", () => {
    const sabotage = { id: "S000", title: "does nothing", file: "a.ts", from: "b", to: "c" }
    expect(() => applied(sabotage, () => "a")).toThrow(
      "S000 (does nothing) does not apply any more: its text is not in a.ts"
    )
    expect(() => applied(sabotage, () => "bab")).toThrow("more than once")
    expect(applied(sabotage, () => "ab")).toEqual(new Map([["a.ts", "ac"]]))
  })
})
