/** The examples print what they say they print, and one can find them. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { beforeAll } from "vitest"

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..")
const flags = "Deno" in globalThis ? ["run", "-A"] : "Bun" in globalThis ? [] : ["--import", "tsx"]
const runner = path.join(root, "test/support/processes/examples.ts")
const examples = path.join(root, "examples")
const read = (file: string) => readFileSync(path.join(examples, file), "utf8")
const providers = readdirSync(path.join(examples, "providers")).map((name) => `providers/${name}`)

/** The indented lines of the comment at the top. */
const promised = (source: string): string =>
  Array.from(source.slice(0, source.indexOf("*/")).matchAll(/^ \* {5}(.*\n)/gm), ([, line]) => line).join("")

describe("the example", () => {
  const compared = [...providers, "mutual-tls.ts", "testing.ts", "watching.ts"]
  let printed: ReadonlyMap<string, string>

  // One process for all: they share what takes long, which is loading.
  beforeAll(async () => {
    const files = compared.map((file) => path.join(examples, file))
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, runner, ...files], { cwd: root })
    const parts = stdout.split(/^# (.*)\n/m).slice(1)
    printed = new Map(files.map((_, i) => [path.relative(examples, parts[2 * i]!), parts[2 * i + 1]!]))
  }, 60_000)

  for (const file of compared) {
    it(`${file} prints what stands at its top`, () => {
      assert.notStrictEqual(promised(read(file)), "")
      assert.strictEqual(printed.get(file), promised(read(file)))
    })
  }

  it("of a provider is short, and says how to run it", () => {
    for (const file of providers) {
      const source = read(file)
      assert.isAtMost(source.trimEnd().split("\n").length, 40, file)
      assert.include(source, `npx tsx examples/${file}`)
    }
  })

  it("is listed in the directory's own page, like all others, and nothing else is", () => {
    const single = readdirSync(examples).filter((file) => file.endsWith(".ts"))
    const there = [...single, ...providers, "proxy-and-certificates/program.ts", "vendors"]
    const listed = Array.from(read("README.md").matchAll(/^\| \[.*?\]\((.*?)\)/gm), ([, file]) => file)
    assert.sameMembers(listed, there)
  })

  it("is where the pages say it is, and so are their headings", () => {
    const slug = (heading: string) => heading.toLowerCase().replaceAll(" ", "-")
    for (const page of ["README.md", "guides.md", "moving.md"]) {
      for (const [, file = "", anchor] of read(page).matchAll(/\]\(([\w./-]+)(?:#([\w-]+))?\)/g)) {
        assert.isTrue(existsSync(path.join(examples, file)), `${page}: ${file}`)
        if (anchor === undefined) continue
        const headings = Array.from(read(file).matchAll(/^#+ (.*)$/gm), ([, heading]) => slug(heading!))
        assert.include(headings, anchor, `${page}: ${file}`)
      }
    }
  })
})
