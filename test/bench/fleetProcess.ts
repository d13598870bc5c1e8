/** One process of a fleet: credentials for many tenants in a Redis that others share. See `fleet.ts`. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Redis as Ioredis } from "ioredis"
import { setTimeout } from "node:timers/promises"
import * as CredentialsMap from "../../src/CredentialsMap.ts"
import * as Provider from "../../src/Provider.ts"
import * as RefreshToken from "../../src/providers/RefreshToken.ts"
import * as Redis from "../../src/Redis.ts"
import * as ClockAhead from "../support/clockAhead.ts"
import { answering, told } from "./processes.ts"

/** What a process is to do. */
export type Order =
  /** Sets its clock ahead by so many seconds in all, and begins to count. */
  | { readonly ahead: number }
  /** Asks for these tenants, one after the other: from the first of the numbers up to the second. */
  | { readonly from: number; readonly to: number }
  /** Waits until it has so many tokens since it began to count, asked for or not, then for so many milliseconds, and says what it did. */
  | { readonly until: number; readonly rest: number }

/** What it did since it began to count. */
export interface Did {
  /** The tokens that it had, and when, in microseconds of the machine's clock. */
  readonly had: ReadonlyArray<readonly [name: string, at: number]>
  /** Microseconds of processor time. */
  readonly cpu: number
  /** Commands that it sent to Redis. */
  readonly sent: number
}

const { tenants, tokenEndpoint, url } = told<{ url: string; tokenEndpoint: string; tenants: number }>()

let sent = 0
const ioredis = new Ioredis(url)
const client: Redis.Client = {
  call: (command, ...args) => {
    sent++
    return ioredis.call(command, ...args)
  },
  subscribe: (channel) => ioredis.subscribe(channel),
  duplicate: () => ioredis.duplicate() as Redis.Client,
  on: (event, listener) => ioredis.on(event, listener),
  disconnect: () => ioredis.disconnect()
}

const [clock, setAhead] = ClockAhead.make()

const providerOf = (tenant: string) =>
  RefreshToken.make({ tokenEndpoint, clientId: "fleet", refreshToken: `${tenant}:0` }).pipe(Provider.persisted(tenant))

let had: Array<readonly [string, number]> = []
let heard = () => {}
const hear = (name: string) => {
  had.push([name, Number(process.hrtime.bigint() / 1_000n)])
  heard()
}

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(Effect.withClock(effect, clock))

const scope = Effect.runSync(Scope.make())
const context = await run(Layer.buildWithScope(Layer.merge(FetchHttpClient.layer, Redis.layer({ client })), scope))
const all = await run(
  Effect.flatMap(CredentialsMap.make({ lookup: providerOf, capacity: Infinity }), (map) =>
    Effect.forEach(
      Array.from({ length: tenants }, (_, n) => `tenant-${n}`),
      (tenant) =>
        Effect.tap(map.get(tenant), ({ changes }) =>
          Effect.forkScoped(
            Stream.runForEach(changes, ({ accessToken }) =>
              Effect.sync(() => hear(Redacted.value(accessToken).split(":", 2).join(":")))
            )
          )
        )
    )
  ).pipe(Scope.extend(scope), Effect.provide(context))
)

let before = { cpu: process.cpuUsage(), sent }

answering<Order, Did | null>(async (order) => {
  if ("ahead" in order) {
    setAhead(order.ahead)
    had = []
    before = { cpu: process.cpuUsage(), sent }
    return null
  }
  if ("from" in order) {
    await run(Effect.forEach(all.slice(order.from, order.to), ({ token }) => token, { discard: true }))
    return null
  }
  await new Promise<void>((resolve) => {
    heard = () => {
      if (had.length >= order.until) resolve()
    }
    heard()
  })
  if (order.rest > 0) await setTimeout(order.rest)
  const { system, user } = process.cpuUsage(before.cpu)
  return { had, cpu: user + system, sent: sent - before.sent }
})
