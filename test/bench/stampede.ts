/** 10,000 callers at once, nothing cached, a token endpoint that takes 50 ms. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Credentials from "../../src/Credentials.ts"
import * as Provider from "../../src/Provider.ts"
import { type Contender, quantile, type Table } from "./harness.ts"
import { token } from "./held.ts"
import { missing, peers } from "./peers.ts"
import { apart, besideServer } from "./processes.ts"
import type { Stormed } from "./storm.ts"

const callers = 10_000
const endpoint = Effect.as(Effect.sleep("50 millis"), token)

/** Everybody in a fiber of one program. */
const inFibers = <A, E>(wait: Effect.Effect<A, E>) =>
  Effect.forEach(Array.from({ length: callers }), () => wait, { concurrency: "unbounded", discard: true })

/** Everybody through a run of his own. */
const inRuns = <A, E>(wait: Effect.Effect<A, E>) =>
  Effect.promise(() => Promise.all(Array.from({ length: callers }, () => Effect.runPromise(wait))))

const deferred = <A, E>(name: string, storm: (wait: Effect.Effect<unknown>) => Effect.Effect<A, E>): Contender => ({
  name,
  run: () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const landing = yield* Deferred.make<unknown>()
        yield* Effect.fork(Effect.intoDeferred(endpoint, landing))
        yield* storm(Deferred.await(landing))
      })
    )
})

const credentials = <A, E>(
  name: string,
  storm: (wait: Effect.Effect<unknown, unknown>) => Effect.Effect<A, E>
): Contender => {
  let most = 0
  const run = Effect.scoped(
    Effect.gen(function* () {
      let acquisitions = 0
      const acquire = () => Effect.suspend(() => (acquisitions++, endpoint))
      const { token } = yield* Credentials.make(Provider.make({ name: "Stampede", acquire }))
      yield* storm(token)
      most = Math.max(most, acquisitions)
      if (acquisitions !== 1) return yield* Effect.dieMessage(`${name}: ${acquisitions} acquisitions, not 1`)
    })
  )
  return { name, run: () => Effect.runPromise(run), counts: () => ({ acquisitions: most }) }
}

const promises: Contender = {
  name: "promises that wait for one",
  run: () => {
    const landing = Effect.runPromise(endpoint)
    return Promise.all(Array.from({ length: callers }, async () => await landing))
  }
}

/** Over loopback, with a process for each storm: one that opens 10,000 sockets leaves its process short of them. */
const overLoopback = (name: string): Contender => {
  const counts = { "token requests": 0, failed: 0 }
  const took: Array<number> = []
  return {
    name,
    run: () =>
      besideServer({ lives: 3_600, takes: 50 }, async (origin) => {
        const storm = await apart<Stormed>("./storm.js", { name, origin, callers })
        took.push(storm.took)
        counts["token requests"] = Math.max(counts["token requests"], storm.tokens)
        counts.failed = Math.max(counts.failed, storm.failed)
        return storm.busy * 1e6
      }),
    counts: () => ({
      ...counts,
      "ms for all": Math.round(quantile(took, 0.5))
    })
  }
}

export const tables = (): ReadonlyArray<Table> => [
  {
    title: "stampede: 10,000 fibers of one program (per caller)",
    floors: [promises.name, "fibers that wait for one Deferred"],
    batch: 1,
    operations: callers,
    rounds: 25,
    contenders: [
      promises,
      deferred("fibers that wait for one Deferred", inFibers),
      credentials("credentials.token", inFibers)
    ]
  },
  {
    title: "stampede: 10,000 times Effect.runPromise (per caller)",
    floors: [promises.name, "runs that wait for one Deferred"],
    batch: 1,
    operations: callers,
    rounds: 25,
    contenders: [
      promises,
      deferred("runs that wait for one Deferred", inRuns),
      credentials("credentials.token", inRuns)
    ]
  },
  {
    title: "stampede: 10,000 callers over loopback (per caller)",
    floors: [promises.name, "fibers that wait for one Deferred"],
    isTold: true,
    batch: 1,
    operations: callers,
    rounds: 5,
    ...(missing === undefined ? {} : { note: missing }),
    contenders: [
      "one token request",
      promises.name,
      "fibers that wait for one Deferred",
      "credentials.token, in fibers of one program",
      "credentials.token, each by runPromise",
      "Fetch's authorizationHeader",
      ...peers.map(({ name }) => name)
    ].map(overLoopback)
  }
]
