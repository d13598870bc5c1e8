/** A cached token, read: inside a fiber, through a run of its own for every read, and through the synchronous door of `Fetch`. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Credentials from "../../src/Credentials.ts"
import * as Fetch from "../../src/Fetch.ts"
import { awaited, direct, inFiber, type Table } from "./harness.ts"
import { anHour, held, token } from "./held.ts"
import { fetch } from "./inMemory.ts"
import { missing, peers } from "./peers.ts"

const until = Date.now() + anHour
const from = until - 2 * anHour
const cell = { token, exit: Exit.succeed(token), from, until }
const ref = Ref.unsafeMake(cell)

const door = Fetch.makeFetch(Layer.succeed(Credentials.Credentials, held), { origins: ["https://api.example.com"] })
await door.ready()
const header = `Bearer ${Redacted.value(token.accessToken)}`
const headerOfClosure = () => (Date.now() < cell.until ? header : undefined)

const connections = peers.map(({ connect, name }) => ({
  name,
  ...connect({ fetch, tokenEndpoint: "http://127.0.0.1:1/token", ahead: 60_000 })
}))

const closure = () => (Date.now() < cell.until ? cell.token : undefined)

/** The least that Effect needs to look at the fiber's clock. */
const clockAndCell = Effect.clockWith((clock) => {
  const now = clock.unsafeCurrentTimeMillis()
  return now < cell.until && now >= cell.from ? cell.exit : Effect.dieMessage("expired")
})

/** As one would write it. */
const generator = Effect.gen(function* () {
  const { token, until } = yield* Ref.get(ref)
  const now = yield* Clock.currentTimeMillis
  const expiresAt = Option.filter(token.expiresAt, (at) => DateTime.toEpochMillis(at) === until)
  return now < until && Option.isSome(expiresAt) ? Redacted.value(token.accessToken) : undefined
})

export const tables = (): ReadonlyArray<Table> => [
  {
    title: "hot: a cached token, in a running fiber",
    floors: ["a bare closure", "an empty loop", "the clock and a cell"],
    weighed: 20_000,
    contenders: [
      { name: "a bare closure", run: direct(closure) },
      { name: "an empty loop", run: inFiber(() => Effect.void) },
      { name: "the clock and a cell", run: inFiber(() => clockAndCell) },
      { name: "Ref.get", run: inFiber(() => Ref.get(ref)) },
      { name: "Ref.get, Clock and a generator", run: inFiber(() => generator) },
      { name: "credentials.token", run: inFiber(() => held.token) }
    ]
  },
  {
    title: "hot: a cached token, through Effect.runPromise",
    floors: ["a bare closure", "the clock and a cell"],
    weighed: 20_000,
    contenders: [
      { name: "a bare closure", run: awaited(closure) },
      { name: "the clock and a cell", run: awaited(() => Effect.runPromise(clockAndCell)) },
      { name: "Ref.get", run: awaited(() => Effect.runPromise(Ref.get(ref))) },
      { name: "credentials.token", run: awaited(() => Effect.runPromise(held.token)) }
    ]
  },
  {
    title: "hot: the header of a cached token, outside of Effect",
    floors: ["a bare closure"],
    weighed: 20_000,
    contenders: [
      { name: "a bare closure", run: direct(headerOfClosure) },
      { name: "Fetch's currentHeader", run: direct(() => door.currentHeader()) }
    ]
  },
  {
    title: "hot: the header of a cached token, awaited",
    floors: ["a bare closure"],
    weighed: 2_000,
    ...(missing === undefined ? {} : { note: missing }),
    contenders: [
      { name: "a bare closure", run: awaited(headerOfClosure) },
      { name: "Fetch's currentHeader", run: awaited(() => door.currentHeader()) },
      { name: "Fetch's authorizationHeader", run: awaited(() => door.authorizationHeader()) },
      ...connections.map(({ header, name }) => ({ name, run: awaited(header) }))
    ]
  }
]
