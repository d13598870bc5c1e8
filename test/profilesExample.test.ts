import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn, spawnSync } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { contents, temporary } from "./support/directories.ts"
import * as Program from "./support/program.ts"

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..")
const command = (...args: ReadonlyArray<string>) => {
  const [file, before] = Program.command("examples/profiles.ts")
  return [file, ...before, ...args]
}

/** Runs a program in an environment where profiles are in this directory; types the next answer whenever a question is seen. */
const run = (directory: string, [program = "", ...args]: ReadonlyArray<string>, answers: ReadonlyArray<string> = []) =>
  Effect.async<{ readonly code: number | null; readonly out: string }>((resume) => {
    const { EFFECT_CREDENTIALS_PROFILE: _, ...inherited } = process.env
    const child = spawn(program, args, { cwd: root, env: { ...inherited, EFFECT_CREDENTIALS_CONFIG: directory } })
    const left = [...answers]
    let out = ""
    let seen = 0
    const read = (chunk: unknown) => {
      out += String(chunk)
      const question = /(:|\(y\/N\)) $/
      if (left.length > 0 && question.test(out.slice(seen))) {
        seen = out.length
        child.stdin.write(`${left.shift()}\r`)
      }
    }
    if (answers.length === 0) child.stdin.end()
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    child.on("close", (code) => resume(Effect.succeed({ code, out: out.replaceAll("\r", "") })))
    return Effect.sync(() => child.kill())
  })

describe("the profiles example", () => {
  it.scopedLive(
    "where nobody can be asked: shows what there is, and says why it cannot ask",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporary
        const file = path.join(directory, "profiles.json")
        assert.deepStrictEqual(yield* run(directory, command()), {
          code: 0,
          out: `There are no profiles yet in ${file}: create one.\n`
        })
        const created = yield* run(directory, command("create", "work"))
        assert.match(created.out, /^NotATerminal: .*run this in a terminal\n$/)
        assert.strictEqual(created.code, 1)
        assert.deepStrictEqual(contents(directory), {})
      }),
    40_000
  )

  const quoted = (words: ReadonlyArray<string>) => words.map((word) => `'${word}'`).join(" ")
  const hasTerminals = process.platform === "linux" && spawnSync("script", ["--version"]).status === 0

  it.scopedLive.skipIf(!hasTerminals)(
    "at a terminal: creates a profile without showing its secret, shows it masked, and removes it when told so",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporary
        const secret = "c4nary-secret"
        const atTerminal = (args: ReadonlyArray<string>, answers: ReadonlyArray<string>) =>
          run(directory, ["script", "-qec", quoted(command(...args)), "/dev/null"], answers)
        const created = yield* atTerminal(["create", "work"], ["https://id.test", "me", secret, "y"])
        assert.include(created.out, "The profile work is written.")
        assert.notInclude(created.out, secret)
        assert.strictEqual(created.code, 0, created.out)
        assert.deepStrictEqual(JSON.parse(contents(directory)["profiles.json"]!).profiles, {
          work: { settings: { ISSUER: "https://id.test", CLIENT_ID: "me" }, secrets: { CLIENT_SECRET: secret } }
        })
        const shown = yield* run(directory, command("show"))
        assert.strictEqual(
          shown.out,
          "work\n  ISSUER = https://id.test\n  CLIENT_ID = me\n  CLIENT_SECRET = ••••••••\n"
        )
        const kept = yield* atTerminal(["remove", "work"], ["n"])
        assert.include(kept.out, "Cancelled: nothing was changed")
        assert.strictEqual(kept.code, 1)
        const removed = yield* atTerminal(["remove", "work"], ["y"])
        assert.include(removed.out, "The profile work is removed.")
        assert.notInclude(contents(directory)["profiles.json"]!, secret)
      }),
    60_000
  )
})
