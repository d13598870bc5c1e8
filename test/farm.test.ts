/**
 * Processes of all runtimes that share a file store and an authorization server that gives each refresh token once. Larger by environment variables:
 * `FARM_PROCESSES`, `FARM_ROUNDS`, `FARM_KILLS`.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as path from "node:path"
import * as TokenStore from "../src/TokenStore.ts"
import { build, mixed, type Name, type Process, start } from "./farm/processes.ts"
import * as RotatingServer from "./farm/rotatingServer.ts"
import { temporary } from "./support/directories.ts"

/** The processes are of all runtimes already, so one runtime is enough to start them. */
const isHere = process.platform !== "win32" && !("Bun" in globalThis) && !("Deno" in globalThis)

const setting = (name: string, otherwise: number) => Number(process.env[name] ?? otherwise)

/** In milliseconds: one that hangs is found, one that was made large is not. */
const timeLimit = ["FARM_PROCESSES", "FARM_ROUNDS", "FARM_KILLS"].some((name) => name in process.env)
  ? 3_600_000
  : 120_000

const farm = (hasWindow = false) =>
  Effect.gen(function* () {
    const root = yield* temporary
    const directory = path.join(root, "tokens")
    const program = yield* build("worker", root)
    const server = yield* RotatingServer.make(hasWindow)
    let started = 0
    /** Starts a process, in a scope of its own. */
    const begin = (runtime: Name, lockTimeout = 30_000) =>
      Effect.gen(function* () {
        const name = `${runtime}-${started++}`
        const scope = yield* Scope.fork(yield* Effect.scope, { _tag: "Sequential" })
        const process = yield* Scope.extend(
          start(runtime, program, [server.url(name), directory, `${lockTimeout}`]),
          scope
        )
        return { name, process, end: Scope.close(scope, Exit.void) }
      })
    /** Asks processes at once, and waits for all answers. */
    const ask = (processes: ReadonlyArray<{ readonly process: Process }>, question: string) =>
      Effect.zipRight(
        Effect.forEach(processes, ({ process }) => process.say(question), { discard: true }),
        Effect.forEach(processes, ({ process }) => process.line, { concurrency: "unbounded" })
      )
    const stored = Effect.flatMap(TokenStore.TokenStore, (store) => store.get("farm")).pipe(
      Effect.map(Option.map(({ accessToken }) => Redacted.value(accessToken))),
      Effect.map(Option.getOrUndefined),
      Effect.provide(TokenStore.layerFile({ directory }))
    )
    return { server, begin, ask, stored, directory }
  })

const run = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

/** Tokens last an hour; so much later they have expired. */
const expired = 4_000
/** So much later the next one may be asked for. */
const refused = 20

const same = <A>(value: A, count: number) => Array.from({ length: count }, () => value)

describe.runIf(isHere)("processes that share a file store", () => {
  it(
    "renew once whenever a token has expired or was refused, and never reuse a refresh token (S145, S146)",
    async () => {
      const count = setting("FARM_PROCESSES", 8)
      const rounds = setting("FARM_ROUNDS", 40)
      await run(
        Effect.gen(function* () {
          const { ask, begin, server, stored } = yield* farm()
          const all = yield* Effect.forEach(mixed(count), (name) => begin(name))
          assert.deepStrictEqual(
            yield* Effect.forEach(all, ({ process }) => process.line, { concurrency: "unbounded" }),
            same("ready", count)
          )
          let time = 0
          for (let round = 1; round <= rounds; round++) {
            const isExpired = round % 2 === 1
            time += isExpired ? expired : refused
            // All at once: who hears of a token that another has got 4,000 seconds later holds one that is old when its own clock gets there.
            assert.deepStrictEqual(yield* ask(all, `time ${time}`), same("known", count))
            const answers = yield* ask(all, `${isExpired ? "token" : "renew"} ${time}`)
            assert.deepStrictEqual(answers, same(`access-${round}`, count))
          }
          assert.deepStrictEqual(server.violations, [])
          assert.strictEqual(server.requests(), rounds)
          assert.strictEqual(yield* stored, `access-${rounds}`)
        })
      )
    },
    timeLimit
  )

  it(
    "lose no session and never reuse a refresh token when two after the other are killed at any moment (S148, S162)",
    async () => {
      const kills = setting("FARM_KILLS", 24)
      await run(
        Effect.gen(function* () {
          const { ask, begin, directory, server, stored } = yield* farm(true)
          let time = 0
          const survivors = yield* Effect.forEach(["node", "bun"] as const, (runtime) => begin(runtime))
          yield* Effect.forEach(survivors, ({ process }) => process.line, { concurrency: "unbounded" })
          /** Starts one that will be killed, and lets it do what a program does slowly the first time. */
          const enlist = (runtime: Name) =>
            Effect.gen(function* () {
              const one = yield* begin(runtime)
              const ready = yield* Effect.fork(Effect.zipRight(one.process.line, ask([one], `token ${time}`)))
              return { ...one, runtime, ready: Fiber.join(ready) }
            })
          assert.deepStrictEqual(yield* ask(survivors, `token ${time}`), same("access-1", survivors.length))
          const reserve = yield* Effect.forEach(mixed(6), enlist)
          const killed = new Set<string>()
          for (let round = 0; killed.size < kills; round++) {
            const victims = reserve.splice(0, 2)
            yield* Effect.forEach(victims, ({ ready }) => ready)
            time += expired
            const strike = ({ name, process: { pid } }: (typeof victims)[number]) => {
              if (killed.has(name)) return
              killed.add(name)
              server.killed(name)
              process.kill(pid, "SIGKILL")
            }
            const strikeAsker = (name: string) => {
              const victim = victims.find((victim) => victim.name === name)
              if (victim !== undefined) strike(victim)
            }
            server.beforeAnswer(
              round % 4 === 0
                ? // The server has spent the refresh token, and nobody gets the answer.
                  async (name) => strikeAsker(name)
                : round % 4 < 3
                  ? // The answer is on its way into the store.
                    async (name) => void setTimeout(strikeAsker, Math.random() * 20, name)
                  : () => new Promise((resolve) => setTimeout(resolve, Math.random() * 4))
            )
            yield* Effect.forEach(victims, ({ process }) => process.say(`token ${time}`))
            if (round % 4 === 0) yield* Effect.forEach(victims, ({ process }) => process.ended)
            else {
              // At any moment, whatever they are doing.
              yield* Effect.forEach(victims, (victim) =>
                Effect.fork(
                  Effect.delay(
                    Effect.sync(() => strike(victim)),
                    Math.random() * (round % 4 < 3 ? 60 : 20)
                  )
                )
              )
              yield* Effect.sleep(Math.random() * 20)
            }
            const answers = yield* ask(survivors, `token ${time}`)
            assert.deepStrictEqual(answers, same(`access-${server.generation()}`, survivors.length))
            yield* Effect.forEach(victims, ({ end, process }) => Effect.zipRight(process.ended, end))
            assert.strictEqual(yield* stored, `access-${server.generation()}`)
            reserve.push(...(yield* Effect.forEach(victims, ({ runtime }) => enlist(runtime))))
          }
          assert.deepStrictEqual(server.violations, [])
          // Only what a killed process had asked for was asked for again, once.
          assert.deepStrictEqual(
            server.repeated.filter(({ first }) => !killed.has(first)),
            []
          )
          assert.isAtLeast(server.repeated.length, Math.floor(kills / 8))
          assert.strictEqual(server.requests(), server.generation() + server.repeated.length)
          // Each new process clears up after the killed: nothing piles up.
          assert.isAtMost(fs.readdirSync(directory).length, 12)
        })
      )
    },
    timeLimit
  )

  it("wait for one that is merely stopped, no longer than the limit, and go on once it does (S156)", async () => {
    await run(
      Effect.gen(function* () {
        const { ask, begin, server } = yield* farm()
        const all = yield* Effect.forEach(mixed(3), (runtime) => begin(runtime, 1_500))
        yield* Effect.forEach(all, ({ process }) => process.line, { concurrency: "unbounded" })
        let time = 0
        let issued = time
        // One after the other: what a program does the first time is slow.
        const first = yield* Effect.forEach(all, (one) => ask([one], `token ${time}`))
        assert.deepStrictEqual(first.flat(), same("access-1", 3))
        /** Lets one ask for a token, and stops it while the server has its request. */
        const stopAtServer = (one: (typeof all)[number]) =>
          Effect.async<void>((resume) => {
            server.beforeAnswer(async (name) => {
              if (name !== one.name) return
              process.kill(one.process.pid, "SIGSTOP")
              resume(Effect.void)
            })
            Effect.runFork(one.process.say(`token ${time}`))
          })
        for (const one of all) {
          const others = all.filter((other) => other !== one)
          // About to expire, in nine seconds: they use what they have.
          const held = server.generation()
          time = issued + 3_591
          yield* stopAtServer(one)
          assert.deepStrictEqual(yield* ask(others, `token ${time}`), same(`access-${held}`, 2))
          yield* one.process.signal("SIGCONT")
          assert.strictEqual(yield* one.process.line, `access-${held}`)
          const renewed = yield* Effect.repeat(ask([one], `token ${time}`), {
            until: ([answer]) => answer !== `access-${held}`
          })
          assert.deepStrictEqual(renewed, [`access-${held + 1}`])
          // Expired: they say that somebody else has the lock.
          issued = time += expired
          yield* stopAtServer(one)
          const refusals = yield* ask(others, `token ${time}`)
          for (const refusal of refusals) assert.include(refusal, "LockTimeout")
          yield* one.process.signal("SIGCONT")
          assert.strictEqual(yield* one.process.line, `access-${server.generation()}`)
          time += 60
          assert.deepStrictEqual(yield* ask(all, `token ${time}`), same(`access-${server.generation()}`, 3))
        }
        assert.deepStrictEqual(server.violations, [])
        assert.strictEqual(server.requests(), server.generation())
      })
    )
  }, 60_000)
})
