import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { Worker } from "node:worker_threads"
import * as ProcessLock from "../src/internal/processLock.ts"
import { build, mixed, type Name, type Process, start } from "./farm/processes.ts"
import { temporary } from "./support/directories.ts"

/** The processes are of all runtimes already, so one runtime is enough to start them. */
const isHere = process.platform !== "win32" && !("Bun" in globalThis) && !("Deno" in globalThis)

const names = ["node", "bun", "deno"] as const

const setup = Effect.gen(function* () {
  const directory = path.join(yield* temporary, "locks")
  fs.mkdirSync(directory, { mode: 0o700 })
  const program = yield* build("locker", path.dirname(directory))
  const run = (runtime: Name, ...args: ReadonlyArray<string>) => start(runtime, program, args)
  const lock = yield* ProcessLock.make(directory)
  return { directory, run, withLock: (limit: number) => lock.withLock("a", Duration.millis(limit)) }
})

const run = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

const tryAll = (
  processes: (runtime: Name, ...args: ReadonlyArray<string>) => Effect.Effect<Process, never, Scope.Scope>,
  directory: string,
  limit: number
) =>
  Effect.forEach(
    names,
    (name) =>
      Effect.gen(function* () {
        const child = yield* processes(name, "try", directory, `${limit}`)
        const line = yield* child.line
        // It ends by itself: neither its own socket nor a connection keeps it.
        assert.strictEqual(yield* child.ended, 0)
        return line
      }),
    { concurrency: "unbounded" }
  )

/** Two at a time is one too many. Who is about to be killed may be followed before anybody can write that down. */
const overlaps = (log: ReadonlyArray<string>): ReadonlyArray<string> => {
  const killed = new Set<string>()
  const inside = new Set<string>()
  const found: Array<string> = []
  for (const line of log) {
    const [what, id = ""] = line.split(" ")
    if (what === "x") {
      killed.add(id)
      inside.delete(id)
    } else if (what === "-") inside.delete(id)
    else if (!killed.has(id)) {
      if (inside.size > 0) found.push(`${line} while ${Array.from(inside).join()}`)
      inside.add(id)
    } else if (inside.size > 0 && log.includes(`- ${id}`, log.indexOf(line))) found.push(`${line}, killed later`)
  }
  return found
}

describe.runIf(isHere)("a lock among real processes", () => {
  it("the checker of the log finds what it looks for", () => {
    assert.deepStrictEqual(overlaps(["+ a", "- a", "+ b", "x b", "+ a", "- a"]), [])
    assert.deepStrictEqual(overlaps(["+ a", "+ b", "- a", "- b"]), ["+ b while a"])
    assert.deepStrictEqual(overlaps(["+ a", "x b", "+ b", "- b", "- a"]), ["+ b, killed later"])
  })

  it("has no two holders, whoever is killed or stopped at whatever moment (S169)", async () => {
    const rounds = Number(process.env["LOCK_ROUNDS"] ?? 120)
    await run(
      Effect.gen(function* () {
        const { directory, run, withLock } = yield* setup
        const log = path.join(path.dirname(directory), "log")
        fs.writeFileSync(log, "")
        const lines = () => fs.readFileSync(log, "utf8").split("\n").slice(0, -1)
        let started = 0
        const begin = (runtime: Name) =>
          Effect.gen(function* () {
            const scope = yield* Scope.fork(yield* Effect.scope, { _tag: "Sequential" })
            const id = `${runtime}-${started++}`
            const process = yield* Scope.extend(run(runtime, "loop", directory, log, id), scope)
            return { runtime, id, process, end: Scope.close(scope, Exit.void) }
          })
        const all = yield* Effect.forEach(mixed(6), begin)
        yield* Effect.forEach(all, ({ process }) => process.line, { concurrency: "unbounded" })
        // Three of five are stopped, two are killed.
        for (let round = 0; round < rounds || lines().filter((line) => line.startsWith("+")).length < rounds; round++) {
          const at = Math.floor(Math.random() * all.length)
          const one = all[at]!
          if (round % 5 < 3) {
            yield* one.process.signal("SIGSTOP")
            yield* Effect.sleep(Math.random() * 40)
            yield* one.process.signal("SIGCONT")
          } else {
            // Killed while stopped or while running.
            if (Math.random() < 0.5) yield* one.process.signal("SIGSTOP")
            fs.appendFileSync(log, `x ${one.id}\n`)
            yield* one.end
            all[at] = yield* begin(one.runtime)
          }
          yield* Effect.sleep(Math.random() * 30)
        }
        for (const { id } of all) fs.appendFileSync(log, `x ${id}\n`)
        yield* Effect.forEach(all, ({ end }) => end, { discard: true })
        assert.deepStrictEqual(overlaps(lines()), [])
        // Nobody is left, and nobody has to wait for the dead. What they left is gone but for the last.
        yield* withLock(0)(Effect.void)
        yield* ProcessLock.make(directory).pipe(
          Effect.flatMap((lock) => lock.withLock("a", Duration.zero)(Effect.void))
        )
        assert.deepStrictEqual(fs.readdirSync(directory), ["a.lock"])
      })
    )
  }, 60_000)

  it.each(names)("is free once its holder on %s was killed, and whoever waits is told (S169)", (name) =>
    run(
      Effect.gen(function* () {
        const { directory, run, withLock } = yield* setup
        const holder = yield* run(name, "hold", directory)
        assert.strictEqual(yield* holder.line, "held")
        const waiting = yield* Effect.fork(withLock(60_000)(Effect.succeed("mine")))
        const waiters = yield* Effect.fork(tryAll(run, directory, 60_000))
        yield* Effect.sleep("300 millis")
        yield* holder.kill
        assert.strictEqual(yield* Fiber.join(waiting), "mine")
        assert.deepStrictEqual(yield* Fiber.join(waiters), ["taken", "taken", "taken"])
        // Without anybody waiting, as well.
        const again = yield* run(name, "hold", directory)
        assert.strictEqual(yield* again.line, "held")
        yield* again.kill
        assert.strictEqual(yield* withLock(0)(Effect.succeed("mine")), "mine")
      })
    )
  )

  it.each(names)("is never taken from a holder on %s that is merely stopped (S156)", (name) =>
    run(
      Effect.gen(function* () {
        const { directory, run, withLock } = yield* setup
        const holder = yield* run(name, "hold", directory)
        assert.strictEqual(yield* holder.line, "held")
        yield* holder.signal("SIGSTOP")
        assert.deepStrictEqual(yield* tryAll(run, directory, 300), ["LockTimeout", "LockTimeout", "LockTimeout"])
        assert.strictEqual((yield* Effect.flip(withLock(50)(Effect.void))).reason, "LockTimeout")
        const waiting = yield* Effect.fork(withLock(60_000)(Effect.succeed("mine")))
        yield* holder.signal("SIGCONT")
        yield* holder.say("let go")
        assert.strictEqual(yield* Fiber.join(waiting), "mine")
        assert.strictEqual(yield* holder.ended, 0)
      })
    )
  )

  it.runIf(process.platform === "linux")(
    "is not taken from a stopped holder either when too many queue at its socket",
    () =>
      run(
        Effect.gen(function* () {
          const { directory, run, withLock } = yield* setup
          const program = [
            'const net = require("node:net"), fs = require("node:fs"), path = require("node:path")',
            "process.chdir(process.argv[1])",
            'net.createServer().listen({ path: "0123456789abcdef.new", backlog: 1 }, () => {',
            '  fs.renameSync("0123456789abcdef.new", "0123456789abcdef.sock")',
            '  fs.symlinkSync("0123456789abcdef.sock.1", "a.lock.1")',
            '  console.log("held")',
            "})"
          ].join("\n")
          const holder = yield* Effect.acquireRelease(
            Effect.async<ReturnType<typeof spawn>>((resume) => {
              const child = spawn(process.execPath, ["-e", program, directory], {
                stdio: ["ignore", "pipe", "inherit"]
              })
              child.stdout.once("data", () => resume(Effect.succeed(child)))
            }),
            (child) => Effect.sync(() => child.kill("SIGKILL"))
          )
          holder.kill("SIGSTOP")
          for (let round = 0; round < 2; round++) {
            assert.deepStrictEqual(yield* tryAll(run, directory, 200), ["LockTimeout", "LockTimeout", "LockTimeout"])
          }
          const end = new Promise((resolve) => holder.once("exit", resolve))
          holder.kill("SIGKILL")
          yield* Effect.promise(() => end)
          assert.strictEqual(yield* withLock(0)(Effect.succeed("mine")), "mine")
        })
      )
  )

  it("has one holder among the threads of a process, too (S333)", () =>
    run(
      Effect.gen(function* () {
        const { directory, withLock } = yield* setup
        const program = path.join(path.dirname(directory), "locker.mjs")
        /** What a thread says first; none has anything of the others but the directory. */
        const thread = (limit: number) =>
          Effect.async<string>((resume) => {
            const worker = new Worker(program, { argv: ["try", directory, `${limit}`], stdout: true })
            let said = ""
            worker.stdout.on("data", (text) => (said += text))
            worker.once("exit", () => resume(Effect.succeed(said.trim())))
            return Effect.promise(() => worker.terminate())
          })
        const all = (limit: number) => Effect.all([thread(limit), thread(limit), thread(limit)], { concurrency: 3 })
        assert.deepStrictEqual(yield* withLock(0)(all(0)), ["LockTimeout", "LockTimeout", "LockTimeout"])
        assert.deepStrictEqual(yield* all(60_000), ["taken", "taken", "taken"])
      })
    ))

  it.each(names)("is not kept by a program that a killed holder on %s had started (S334)", (name) =>
    run(
      Effect.gen(function* () {
        const { directory, run, withLock } = yield* setup
        const holder = yield* run(name, "parent", directory)
        const pid = Number(yield* holder.line)
        yield* Effect.addFinalizer(() => Effect.sync(() => process.kill(pid, "SIGKILL")))
        yield* holder.kill
        assert.isTrue(process.kill(pid, 0))
        assert.strictEqual(yield* withLock(0)(Effect.succeed("mine")), "mine")
      })
    )
  )
})
