/** Tenants of one map on schedule, for hours of a clock that only moves when nothing else is to be done: what a renewal costs, and whether they come all at once. */
import type * as Clock from "effect/Clock"
import { ClockTypeId } from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as CredentialsMap from "../../src/CredentialsMap.ts"
import * as Heap from "../../src/internal/heap.ts"
import * as Provider from "../../src/Provider.ts"
import * as Token from "../../src/Token.ts"
import type { Contender, Table } from "./harness.ts"

const renewals = 2_000

/** In between nobody looks at them: the schedule does so every ten minutes. */
const lifetime = "10 minutes"

interface Sleeper {
  readonly wakesAt: number
  wake: (() => void) | undefined
}

/** A clock whose time is that of whoever wakes next. */
const makeClock = () => {
  let now = 0
  const asleep = Heap.make<Sleeper>(({ wakesAt }) => wakesAt)
  const clock: Clock.Clock = {
    [ClockTypeId]: ClockTypeId,
    unsafeCurrentTimeMillis: () => now,
    currentTimeMillis: Effect.sync(() => now),
    unsafeCurrentTimeNanos: () => BigInt(now) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        const sleeper: Sleeper = { wakesAt: now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
        asleep.push(sleeper)
        return Effect.sync(() => (sleeper.wake = undefined))
      })
  }
  const next = () => {
    let sleeper = asleep.pop()
    while (sleeper?.wake === undefined) {
      if (sleeper === undefined) throw new Error("nobody sleeps: the schedule has ended")
      sleeper = asleep.pop()
    }
    now = Math.max(now, sleeper.wakesAt)
    sleeper.wake()
  }
  return { clock, next, now: () => now }
}

const settled = () => new Promise<void>((resume) => setImmediate(resume))

const contender = async (tenants: number): Promise<Contender> => {
  const { clock, next, now } = makeClock()
  const perSecond = new Map<number, number>()
  let renewed = -tenants
  const acquire = (tenant: string) =>
    Effect.map(DateTime.now, (issuedAt) => {
      if (++renewed > 0) {
        const second = Math.floor(now() / 1000)
        perSecond.set(second, (perSecond.get(second) ?? 0) + 1)
      }
      return Token.make({
        accessToken: Redacted.make(`${tenant}.${renewed}`),
        issuedAt,
        expiresAt: Option.some(DateTime.addDuration(issuedAt, lifetime))
      })
    })
  const names = Array.from({ length: tenants }, (_, n) => `tenant-${n}`)
  const scope = Effect.runSync(Scope.make())
  await Effect.runPromise(
    CredentialsMap.make({
      lookup: (tenant: string) => Provider.make({ name: "Tenant", acquire: () => acquire(tenant) }),
      capacity: Infinity,
      idleTimeToLive: Infinity,
      scheduled: true
    }).pipe(
      // All in the same moment, as after a start: what comes later is spread by the library.
      Effect.flatMap((map) => Effect.forEach(names, map.token, { discard: true })),
      Scope.extend(scope),
      Effect.withClock(clock)
    )
  )
  const run = async (n: number) => {
    for (const end = renewed + n; renewed < end; next()) await settled()
  }
  // What is left of the first acquisitions.
  await run(1)
  return {
    name: tenants.toLocaleString("en"),
    run,
    counts: () => ({
      "renewed in the busiest second, of 1,000": Math.round((Math.max(...perSecond.values()) / tenants) * 1_000)
    })
  }
}

const contenders = [await contender(100), await contender(1_000), await contender(10_000), await contender(100_000)]

export const tables = (): ReadonlyArray<Table> => [
  {
    title: "renewals: tenants of one map on schedule (per renewal)",
    floors: [contenders[0]!.name],
    batch: renewals,
    rounds: 20,
    contenders
  }
]
