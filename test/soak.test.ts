/**
 * What grows with use, and what a request costs: nothing may, and little. `SOAK` makes the runs longer: `SOAK=20 npm test -- node test/soak.test.ts`.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as v8 from "node:v8"
import * as vm from "node:vm"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../src/Credentials.ts"
import type { RefreshErrorReason } from "../src/CredentialsError.ts"
import { counting } from "./support/engine.ts"
import * as HybridClock from "./support/HybridClock.ts"

const scale = Number(process.env["SOAK"] ?? 1)
const mebibyte = 2 ** 20

/** Collects what is garbage now, on every runtime. */
const collect: () => void = (() => {
  if ("Bun" in globalThis) return () => (globalThis as any).Bun.gc(true)
  v8.setFlagsFromString("--expose-gc")
  const gc = vm.runInNewContext("gc") as (() => void) | undefined
  return gc ?? (() => assert.fail("there is no way to collect garbage"))
})()

/** Bytes in use that somebody can still reach. */
const heap = Effect.gen(function* () {
  for (let n = 0; n < 2; n++) {
    yield* HybridClock.settle
    collect()
  }
  return process.memoryUsage().heapUsed
})

/** How much the heap grows while something is done again and again, after it has been done a while. */
const growth = <E, R>(round: Effect.Effect<unknown, E, R>, rounds: number) =>
  Effect.gen(function* () {
    yield* Effect.repeatN(round, Math.ceil(rounds / 4))
    const before = yield* heap
    yield* Effect.repeatN(round, rounds)
    return (yield* heap) - before
  })

const api = "https://api.example.com"
// One for all: what a runtime keeps of each Response, and for how long, is not ours.
const nothing = new Response(null, { status: 204 })
const answering = HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, nothing)))
const over = (credentials: Credentials.Credentials) =>
  Either.getOrThrow(AuthenticatedHttpClient.make(answering, credentials, { origins: [api] }))

describe("in the long run", () => {
  it.scopedLive(
    "renewals leave nothing behind: neither heap nor chains of spans (S141)",
    () =>
      Effect.gen(function* () {
        const clock = HybridClock.make()
        const parents = new Set<string>()
        const plain = Effect.runSync(Effect.tracer)
        const tracer = Tracer.make({
          span: (name, parent, ...rest) => {
            if (Option.isSome(parent)) parents.add(name)
            return plain.span(name, parent, ...rest)
          },
          context: (f) => f()
        })
        yield* Effect.gen(function* () {
          const counted = counting({ lifetime: 60, rotates: true })
          const credentials = yield* Credentials.make(counted.provider)
          yield* Effect.forkScoped(Stream.runDrain(credentials.changes))
          yield* Effect.forkScoped(Stream.runDrain(credentials.events))
          // What the test itself remembers is not what is looked for.
          const forget = Effect.sync(() =>
            [counted.needs, counted.startedAt].forEach((list) => ((list as any).length = 0))
          )
          const round = Effect.zipRight(Effect.zipRight(credentials.token, clock.suspend("1 minute")), forget)
          assert.isBelow(yield* growth(round, 1_000 * scale), mebibyte)
        }).pipe(Effect.withClock(clock), Effect.withTracer(tracer), Effect.withSpan("caller"))
        assert.isFalse(parents.has("Credentials.acquire"))
      }),
    60_000 * scale
  )

  it.scopedLive(
    "requests leave nothing behind, and tokens are renewed as often as they expire (S305)",
    () =>
      Effect.gen(function* () {
        const clock = HybridClock.make()
        const perMinute = 200
        const minutes = 40 * scale
        yield* Effect.gen(function* () {
          const counted = counting({ lifetime: 600 })
          const client = over(yield* Credentials.make(counted.provider, { renewAhead: 0 }))
          const request = HttpClientRequest.get(`${api}/me`)
          const round = Effect.zipRight(
            Effect.repeatN(client.execute(request), perMinute - 1),
            clock.advance("1 minute")
          )
          assert.isBelow(yield* growth(round, minutes), mebibyte)
          const passed = Math.ceil(minutes / 4) + 1 + minutes + 1
          assert.strictEqual(counted.needs.length, Math.ceil(passed / 10))
        }).pipe(Effect.withClock(clock))
      }),
    60_000 * scale
  )

  it.scopedLive(
    "failures, defects, timeouts and callers who leave keep neither heap nor timers (S331)",
    () =>
      Effect.gen(function* () {
        const clock = HybridClock.make()
        const down: RefreshErrorReason = { _tag: "Unavailable", status: 503 }
        const refused: RefreshErrorReason = { _tag: "Rejected", code: "invalid_grant", status: 400 }
        const faults = [down, "die", undefined, refused, "never", "same", undefined] as const
        yield* Effect.gen(function* () {
          const counted = counting({ lifetime: 60, takes: "1 second", rotates: true })
          const credentials = yield* Credentials.make(counted.provider)
          yield* Effect.forkScoped(Stream.runDrain(Credentials.refreshes(credentials)))
          yield* HybridClock.settle
          let most = 0
          let nth = 0
          const round = Effect.gen(function* () {
            counted.script.splice(0, 1, faults[nth++ % faults.length])
            const asking = [credentials.token, credentials.token, credentials.tokenValidFor("10 minutes")]
            const fibers = yield* Effect.forEach(asking, Effect.fork)
            yield* clock.advance("500 millis")
            yield* Fiber.interrupt(fibers[0]!)
            yield* clock.advance("20 seconds")
            yield* Fiber.interruptAll(fibers)
            const list = [counted.needs, counted.startedAt, clock.slept]
            list.forEach((list) => ((list as any).length = 0))
            most = Math.max(most, clock.asleep())
          })
          assert.isBelow(yield* growth(round, 70 * scale), mebibyte)
          // The schedule, a flight, its limit and its grace.
          assert.isAtMost(most, 5)
        }).pipe(Effect.scoped, Effect.withClock(clock), Effect.provide(Logger.remove(Logger.defaultLogger)))
        yield* HybridClock.settle
        assert.strictEqual(clock.asleep(), 0)
      }),
    60_000 * scale
  )
})

describe("a request with a token that is held", () => {
  /** How many steps the runtime makes for an effect, and how often it is left. */
  const stepsOf = (effect: Effect.Effect<unknown, unknown>) => {
    let steps = 0
    let tasks = 0
    const inner = new Scheduler.SyncScheduler()
    const scheduler: Scheduler.Scheduler = {
      shouldYield: () => (steps++, false),
      scheduleTask: (task, priority) => (tasks++, inner.scheduleTask(task, priority))
    }
    const fiber = Effect.runFork(effect, { scheduler })
    inner.flush()
    assert.isNotNull(fiber.unsafePoll(), "it waits for something")
    return { steps, tasks }
  }

  it.scopedLive("costs a few steps of the runtime more than one without, and waits for nothing (S304)", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 3600 })
      const credentials = yield* Credentials.make(counted.provider)
      yield* credentials.token
      const request = HttpClientRequest.get(`${api}/me`)
      const client = over(credentials)
      const plain = stepsOf(Effect.withTracerEnabled(answering.execute(request), false))
      const ours = stepsOf(Effect.withTracerEnabled(client.execute(request), false))
      assert.isAbove(plain.steps, 5)
      assert.isAtMost(ours.steps - plain.steps, 60)
      assert.strictEqual(ours.tasks, plain.tasks)
      assert.isAtMost(stepsOf(credentials.token).steps, 5)
      assert.strictEqual(counted.needs.length, 1)
    })
  )
})
