/** Many tenants in one process, a token each: what a set of credentials weighs, and what it costs to find one. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Credentials from "../../src/Credentials.ts"
import * as CredentialsMap from "../../src/CredentialsMap.ts"
import * as Provider from "../../src/Provider.ts"
import * as Token from "../../src/Token.ts"
import { awaited, type Contender, direct, inFiber, type Table } from "./harness.ts"
import { fetch } from "./inMemory.ts"
import { missing, peers } from "./peers.ts"

const many = 10_000
const lifetime = 3_600_000

const providerOf = (tenant: string): Provider.Provider =>
  Provider.make({
    name: "Tenant",
    acquire: () =>
      Effect.map(DateTime.now, (issuedAt) =>
        Token.make({
          accessToken: Redacted.make(secretOf(tenant)),
          issuedAt,
          expiresAt: Option.some(DateTime.addDuration(issuedAt, lifetime))
        })
      )
  })

/** 700 characters of its own: a string that is only put together shares them with others. */
const secretOf = (tenant: string): string => Buffer.from(tenant.padEnd(700, "t")).toString()

const names = Array.from({ length: many }, (_, n) => `tenant-${n}`)

/** What one writes by hand: a map, and a promise for each that is being obtained. */
const handwritten = () => {
  const cells = new Map<string, { token: string; until: number; pending: Promise<string> | undefined }>()
  const obtain = async (tenant: string) => ({ token: secretOf(tenant), until: Date.now() + lifetime })
  return {
    cells,
    get: (tenant: string): string | Promise<string> => {
      const cell = cells.get(tenant)
      if (cell !== undefined && Date.now() < cell.until) return cell.token
      const pending = obtain(tenant).then(({ token, until }) => {
        cells.set(tenant, { token, until, pending: undefined })
        return token
      })
      return pending
    }
  }
}

const scope = Effect.runSync(Scope.make())
const mapOf = (scheduled: boolean) =>
  Effect.runPromise(
    Scope.extend(
      CredentialsMap.make({ lookup: (tenant: string) => providerOf(tenant), capacity: Infinity, scheduled }),
      scope
    )
  )

const weighed = async <A>(fill: () => Promise<A>): Promise<readonly [A, number]> => {
  // The first time compiles, and makes room in tables that all have in common: that is nobody's weight.
  await fill()
  const collect = async () => {
    for (let times = 0; times < 2; times++) {
      await new Promise((resume) => setTimeout(resume, 20))
      globalThis.gc?.()
    }
  }
  await collect()
  const before = process.memoryUsage().heapUsed
  const filled = await fill()
  await collect()
  return [filled, Math.round((process.memoryUsage().heapUsed - before) / many)]
}

const [byHand, byHandBytes] = await weighed(async () => {
  const made = handwritten()
  for (const name of names) await made.get(name)
  return made
})
const filled = (scheduled: boolean) =>
  weighed(async () => {
    const map = await mapOf(scheduled)
    await Effect.runPromise(Effect.forEach(names, map.token, { discard: true }))
    return map
  })
const [onDemand, onDemandBytes] = await filled(false)
const [scheduled, scheduledBytes] = await filled(true)
const [single, singleBytes] = await weighed(() =>
  Effect.runPromise(
    Effect.forEach(names, (name) => Effect.tap(Credentials.make(providerOf(name)), ({ token }) => token)).pipe(
      Scope.extend(scope)
    )
  )
)

let next = 0

const ofPeers: Array<Contender> = []
for (const { connect, name } of peers) {
  const [filled, bytes] = await weighed(async () => {
    const server = { fetch, tokenEndpoint: "http://127.0.0.1:1/token", ahead: 60_000 }
    const headers = new Map(names.map((tenant) => [tenant, connect(server).header]))
    for (const header of headers.values()) await header()
    return headers
  })
  ofPeers.push({
    name,
    run: awaited(() => filled.get(names[next++ % many]!)!()),
    counts: () => ({ "bytes each": bytes })
  })
}

const name = () => names[next++ % many]!

export const tables = (): ReadonlyArray<Table> => [
  {
    title: `tenants: ${many.toLocaleString("en")} of them, one looked up`,
    floors: ["by hand"],
    ...(missing === undefined ? {} : { note: missing }),
    contenders: [
      { name: "by hand", run: direct(() => byHand.get(name())), counts: () => ({ "bytes each": byHandBytes }) },
      {
        name: "an array of credentials",
        run: inFiber(() => single[next++ % many]!.token),
        counts: () => ({ "bytes each": singleBytes })
      },
      {
        name: "CredentialsMap, on demand",
        run: inFiber(() => onDemand.token(name())),
        counts: () => ({ "bytes each": onDemandBytes })
      },
      {
        name: "CredentialsMap, scheduled",
        run: inFiber(() => scheduled.token(name())),
        counts: () => ({ "bytes each": scheduledBytes })
      },
      ...ofPeers
    ]
  }
]
