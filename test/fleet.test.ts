/**
 * Processes of all runtimes that share credentials through a real Redis, and an authorization server that gives each refresh token once. Larger by
 * environment variables: `FLEET_PROCESSES`, `FLEET_ROUNDS`.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { build, mixed, type Name, type Process, start } from "./farm/processes.ts"
import * as RotatingServer from "./farm/rotatingServer.ts"
import * as Redis from "../src/Redis.ts"
import * as TokenStore from "../src/TokenStore.ts"
import { temporary } from "./support/directories.ts"
import * as RedisServer from "./support/redisServer.ts"

/** The processes are of all runtimes already, so one runtime is enough to start them. */
const isHere = RedisServer.isInstalled && !("Bun" in globalThis) && !("Deno" in globalThis)

const setting = (name: string, otherwise: number) => Number(process.env[name] ?? otherwise)

const fleet = (options: { readonly lease: number; readonly hasWindow?: boolean }) =>
  Effect.gen(function* () {
    const program = yield* build("worker", yield* temporary)
    const redis = yield* RedisServer.start()
    const server = yield* RotatingServer.make(options.hasWindow ?? false)
    let started = 0
    const begin = (runtime: Name) =>
      Effect.gen(function* () {
        const name = `${runtime}-${started++}`
        const process = yield* start(runtime, program, [server.url(name), redis.url, "30000", `${options.lease}`])
        return { name, process }
      })
    const all = (names: ReadonlyArray<Name>) =>
      Effect.tap(
        Effect.forEach(names, (name) => begin(name)),
        (all) =>
          Effect.forEach(all, ({ process }) => Effect.map(process.line, (line) => assert.strictEqual(line, "ready")), {
            concurrency: "unbounded"
          })
      )
    const stored = Effect.flatMap(TokenStore.TokenStore, (store) => store.get("farm")).pipe(
      Effect.map(Option.map(({ accessToken }) => Redacted.value(accessToken))),
      Effect.map(Option.getOrUndefined),
      Effect.provide(Redis.layer({ url: redis.url }))
    )
    return { server, redis, all, stored }
  })

/** Asks processes at once, and waits for all answers. */
const ask = (processes: ReadonlyArray<{ readonly process: Process }>, question: string) =>
  Effect.zipRight(
    Effect.forEach(processes, ({ process }) => process.say(question), { discard: true }),
    Effect.forEach(processes, ({ process }) => process.line, { concurrency: "unbounded" })
  )

const run = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

/** Tokens last an hour; so much later they have expired. */
const expired = 4_000

describe.runIf(isHere)("processes that share a Redis", () => {
  it("renew once whenever a token has expired, also while Redis is started again, and never reuse a refresh token (S189, S200)", async () => {
    const count = setting("FLEET_PROCESSES", 4)
    const rounds = setting("FLEET_ROUNDS", 12)
    await run(
      Effect.gen(function* () {
        const { all, redis, server, stored } = yield* fleet({ lease: 10_000 })
        const processes = yield* all(mixed(count))
        const restart = Effect.zipRight(redis.stop, redis.start)
        for (let round = 1; round <= rounds; round++) {
          // Between two renewals, or while the one that renews waits for its answer.
          if (round % 4 === 2) yield* restart
          server.beforeAnswer(async () => {
            if (round % 4 === 0) await Effect.runPromise(restart)
          })
          const answers = yield* ask(processes, `token ${round * expired}`)
          assert.deepStrictEqual(
            answers,
            processes.map(() => `access-${round}`)
          )
        }
        assert.deepStrictEqual(server.violations, [])
        assert.strictEqual(server.requests(), rounds)
        assert.strictEqual(yield* stored, `access-${rounds}`)
      })
    )
  }, 120_000)

  it("that are stopped for longer than their lease before they send send nothing when they wake up (S189)", async () => {
    await run(
      Effect.gen(function* () {
        const lease = 400
        const { all, server, stored } = yield* fleet({ lease })
        const processes = yield* all(mixed(4))
        let time = 0
        let generation = 0
        // One of each runtime.
        for (const stopped of processes.slice(1)) {
          const others = processes.filter((other) => other !== stopped)
          time += expired
          generation++
          assert.deepStrictEqual(yield* ask([stopped], `stop ${time}`), ["stopping"])
          assert.deepStrictEqual(
            yield* ask(others, `token ${time}`),
            others.map(() => `access-${generation}`)
          )
          yield* Effect.sleep(lease * 3)
          yield* stopped.process.signal("SIGCONT")
          assert.strictEqual(yield* stopped.process.line, `access-${generation}`)
        }
        assert.deepStrictEqual(server.violations, [])
        assert.strictEqual(server.requests(), generation)
        assert.strictEqual(yield* stored, `access-${generation}`)
      })
    )
  }, 120_000)

  it("that are stopped with a request under way overwrite nothing when they wake up (S189)", async () => {
    await run(
      Effect.gen(function* () {
        const lease = 500
        const { all, server, stored } = yield* fleet({ lease, hasWindow: true })
        const [stopped, other] = yield* all(["node", "deno"])
        server.beforeAnswer(async (name) => {
          if (name !== stopped!.name) return
          // From here on it cannot tell anybody that it lives.
          server.killed(name)
          server.beforeAnswer(async () => {})
          await Effect.runPromise(stopped!.process.signal("SIGSTOP"))
        })
        yield* stopped!.process.say(`token ${expired}`)
        yield* Effect.repeat(Effect.sleep(5), { until: () => server.requests() === 1 })
        // A server that gives the lost answer again gives it to the next one.
        assert.deepStrictEqual(yield* ask([other!], `token ${expired}`), ["access-1"])
        assert.deepStrictEqual(yield* ask([other!], `renew ${expired + 20}`), ["access-2"])
        yield* stopped!.process.signal("SIGCONT")
        assert.match((yield* stopped!.process.line)!, /^access-[12]$/)
        assert.strictEqual(yield* stored, "access-2")
        assert.deepStrictEqual(yield* ask([stopped!, other!], `token ${expired * 2}`), ["access-3", "access-3"])
        assert.deepStrictEqual(server.violations, [])
      })
    )
  }, 120_000)
})
