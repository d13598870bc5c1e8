import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as TokenStore from "../src/TokenStore.ts"
import { numbered } from "./stores/contract.ts"
import { temporary } from "./support/directories.ts"
import { runtimes } from "./tools/runtimes.ts"
import * as Program from "./support/program.ts"

const here = path.dirname(fileURLToPath(import.meta.url))

/** Runs a program on this runtime; kills it after 20 s, which `signal` then tells. */
const run = (program: string, ...more: ReadonlyArray<string>) =>
  new Promise<{ readonly signal: unknown; readonly code: unknown; readonly out: string }>((resolve) => {
    const [file, args] = Program.command(`test/support/processes/${program}`)
    const child = execFile(file, [...args, ...more], { timeout: 20_000, cwd: path.join(here, "..") }, (_, out, err) =>
      resolve({ signal: child.signalCode, code: child.exitCode, out: out + err })
    )
  })

describe("a process", () => {
  it("ends when its program does: neither the schedule, nor a flight, nor a watcher keeps it alive (S139, S140)", async () => {
    assert.deepStrictEqual(await run("scheduled.ts"), { signal: null, code: 0, out: "finished\n" })
  }, 30_000)

  it("ends though its stored credentials were never closed (S139)", async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "unclosed-"))
    for (const _ of ["a new token", "the stored one"]) {
      assert.deepStrictEqual(await run("unclosed.ts", directory), { signal: null, code: 0, out: "t0ken\n" })
    }
    fs.rmSync(directory, { recursive: true })
  }, 50_000)

  it.scopedLive(
    "does not end while it waits for what another one stores",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporary
        let isOver = false
        const waiting = run("unclosed.ts", directory, "waiting").finally(() => (isOver = true))
        const store = yield* TokenStore.TokenStore.pipe(Effect.provide(TokenStore.layerFile({ directory })))
        for (let n = 1; !isOver; n++) {
          yield* Effect.sleep("1 second")
          yield* store.transaction("me", () => Effect.succeedSome(numbered(n)))
        }
        assert.deepStrictEqual(yield* Effect.promise(() => waiting), { signal: null, code: 0, out: "waits\nhas it\n" })
      }),
    50_000
  )
})

/** Started by Node: a child of Deno's may do whatever its parent may. */
describe.runIf(!("Bun" in globalThis) && !("Deno" in globalThis))("a program that Deno allows little", () => {
  const restricted = (...allowed: ReadonlyArray<string>) =>
    new Promise<{ readonly out: string }>((resolve) => {
      const program = path.join(here, "support/processes/denied.ts")
      const child = execFile(
        runtimes.deno().command,
        ["run", "--no-prompt", ...allowed, program],
        { timeout: 25_000, cwd: path.join(here, "..") },
        (_, out, err) => resolve({ out: out + err })
      )
      child.stdin?.end()
    })

  it("is told, typed, what it needs (S321)", async () => {
    const nothing = await restricted()
    assert.match(
      nothing.out,
      /^environment: TokenStoreError: .* set HOME, EFFECT_CREDENTIALS_STORE or the option directory$/m
    )
    for (const name of ["read", "write"]) {
      assert.match(nothing.out, new RegExp(`^${name}: TokenStoreError: .* --allow-sys=uid$`, "m"))
    }
    assert.match(nothing.out, /^network: RefreshError: .*--allow-net/m)
    const little = await restricted("--allow-sys=uid", "--allow-env", "--allow-read")
    assert.match(little.out, /^read: allowed$/m)
    assert.match(little.out, /^write: TokenStoreError: .*Permissions, .* --allow-read and --allow-write$/m)
    assert.match(little.out, /^network: RefreshError: .*--allow-net/m)
    assert.match(little.out, /^program: RefreshError: .*--allow-run/m)
  }, 60_000)
})
