/** A process in which 10,000 ask for a token at once, of which there is none yet. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Credentials from "../../src/Credentials.ts"
import * as Fetch from "../../src/Fetch.ts"
import { countsOf } from "./loopback.ts"
import { credentials } from "./ours.ts"
import { request } from "./peers/Peer.ts"
import { peers } from "./peers.ts"
import { told } from "./processes.ts"

/** What it says in the end. */
export interface Stormed {
  /** Until the last had a token, in milliseconds. */
  readonly took: number
  /** Processor time of it, in milliseconds. */
  readonly busy: number
  readonly tokens: number
  readonly failed: number
}

const { callers, name, origin } = told<{
  readonly name: string
  readonly origin: string
  readonly callers: number
}>()
const server = { tokenEndpoint: `${origin}/token`, fetch, ahead: 60_000 }

/** So many callers at once, and how many of them got nothing. */
type Storm = (callers: number) => Promise<number>

const promises =
  (ask: () => Promise<unknown>): Storm =>
  async (callers) => {
    let failed = 0
    await Promise.all(Array.from({ length: callers }, () => ask().catch(() => failed++)))
    return failed
  }

const failures = <A, E>(callers: number, ask: Effect.Effect<A, E>): Effect.Effect<number> => {
  let failed = 0
  const one = Effect.catchAll(ask, () => Effect.sync(() => failed++))
  return Effect.map(
    Effect.forEach(Array.from({ length: callers }), () => one, { concurrency: "unbounded", discard: true }),
    () => failed
  )
}

/** Credentials that nobody has asked yet. */
const asking = async () => {
  const runtime = ManagedRuntime.make(Layer.provide(credentials(origin, false), FetchHttpClient.layer))
  return { runtime, token: (await runtime.runPromise(Credentials.Credentials)).token }
}

const own: Readonly<Record<string, () => Promise<Storm>>> = {
  "one token request": async () => async (_callers) => promises(() => request(server))(1),
  "promises that wait for one": async () => {
    let flight: Promise<unknown> | undefined
    return promises(async () => await (flight ??= request(server)))
  },
  "fibers that wait for one Deferred": async () => (callers) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const landing = yield* Deferred.make<unknown>()
        yield* Effect.fork(
          Effect.intoDeferred(
            Effect.promise(() => request(server)),
            landing
          )
        )
        return yield* failures(callers, Deferred.await(landing))
      })
    ),
  "credentials.token, in fibers of one program": async () => {
    const { runtime, token } = await asking()
    return (callers) => runtime.runPromise(failures(callers, token))
  },
  "credentials.token, each by runPromise": async () => {
    const { token } = await asking()
    return promises(() => Effect.runPromise(token))
  },
  "Fetch's authorizationHeader": async () => {
    const door = Fetch.makeFetch(credentials(origin, false), { origins: [origin] })
    await door.ready()
    return promises(() => door.authorizationHeader())
  }
}

const make = own[name] ?? (async () => promises(peers.find((peer) => peer.name === name)!.connect(server).header))
// What is not compiled yet is not what is measured.
for (let i = 0; i < 3; i++) await (await make())(100)
const storm = await make()
const before = await countsOf(origin)
const [start, processor] = [performance.now(), process.cpuUsage()]
const failed = await storm(callers)
const took = performance.now() - start
const { system, user } = process.cpuUsage(processor)
const { tokens } = await countsOf(origin)
const stormed: Stormed = { took, busy: (user + system) / 1_000, tokens: tokens - before.tokens, failed }
process.send!(stormed, () => process.exit())
