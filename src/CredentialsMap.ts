/**
 * Credentials for many: one set per tenant, user or scope, made when first asked for and released when nobody has used them for a while.
 *
 * For a server that calls an API on behalf of its customers. With a handful that you know beforehand use `Credentials.Tag` instead.
 *
 * @example
 * ```ts
 * import * as CredentialsMap from "effect-credentials/CredentialsMap"
 * import * as TokenFactory from "effect-credentials/TokenFactory"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const tenants = yield* CredentialsMap.make({
 *     lookup: (tenant: string) => TokenFactory.make({ token: Effect.succeed(`token-of-${tenant}`) })
 *   })
 *   console.log(Redacted.value((yield* tenants.token("acme")).accessToken))
 * })
 * await Effect.runPromise(Effect.scoped(program))
 * // token-of-acme
 * ```
 *
 * @module
 */
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Credentials from "./Credentials.ts"
import { InvalidOption, type RefreshError } from "./CredentialsError.ts"
import { EmptyScope } from "./internal/emptyScope.ts"
import * as Heap from "./internal/heap.ts"
import { isLooking } from "./internal/looking.ts"
import * as Timing from "./internal/timing.ts"
import type { Provider } from "./Provider.ts"
import type { Token } from "./Token.ts"

/**
 * Whose credentials, and what for: a name, or a record of all that makes a difference (tenant, subject, scope, audience).
 *
 * **Details** – two records are the same key if their members are: their order has no meaning, nor has the order of a list or what is in it twice. A member
 * that is undefined is not there.
 *
 * @category models
 * @since 0.1.0
 */
export type Key = string | { readonly [member: string]: string | ReadonlyArray<string> | undefined }

/**
 * Credentials by key.
 *
 * @category models
 * @since 0.1.0
 */
export interface CredentialsMap<in K extends Key> {
  /** A token of this key's, fit for use now. */
  readonly token: (key: K) => Effect.Effect<Token, InvalidOption | RefreshError>
  /** Runs an effect with this key's credentials, which are not released meanwhile: `AuthenticatedHttpClient.withCredentials` takes them. */
  readonly use: <A, E, R>(
    key: K,
    f: (credentials: Credentials.Credentials) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | InvalidOption, R>
  /** This key's credentials, which are not released until the scope closes. */
  readonly get: (key: K) => Effect.Effect<Credentials.Credentials, InvalidOption, Scope.Scope>
  /** Releases this key's credentials as soon as nobody uses them, and whoever asks from now on gets others. What a store keeps is kept. */
  readonly invalidate: (key: K) => Effect.Effect<void>
  /** How many sets of credentials there are. */
  readonly size: Effect.Effect<number>
}

/**
 * How the credentials of a map are made and kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in K extends Key, out R> extends Credentials.Options {
  /** The provider for a key. */
  readonly lookup: (key: K) => Provider<R>
  /**
   * How many sets of credentials to keep: beyond that those are released that have not been used for longest. Those in use are never released, so there may be more for a
   * while. Default: 10,000.
   */
  readonly capacity?: number | undefined
  /** How long credentials that nobody uses are kept. Default: 1 hour. */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
  /**
   * Whether tokens are obtained at once and renewed before they fall due, whether anybody asks or not, for as long as the credentials are kept: no request waits
   * for a renewal. Default: false, they are renewed when somebody asks.
   */
  readonly scheduled?: boolean | undefined
  /** How many scheduled renewals may run at a time. Default: 64. */
  readonly concurrency?: number | undefined
}

/** One set of credentials, and the scope of what its provider opens. Times are of {@link make}'s own clock. */
class Entry extends EmptyScope {
  readonly id: string
  /** Until they are made, what those wait for who want them. */
  credentials: Credentials.Credentials | Deferred.Deferred<Credentials.Credentials, InvalidOption>
  uses = 1
  usedAt: number
  slot: Slot | undefined = undefined

  constructor(id: string, made: Deferred.Deferred<Credentials.Credentials, InvalidOption>, usedAt: number) {
    super()
    this.id = id
    this.credentials = made
    this.usedAt = usedAt
  }
}

/** A place on the schedule: given up, it keeps nothing of what it was for until its time comes. */
interface Slot {
  readonly dueAt: number
  entry: Entry | undefined
}

/** The same for keys that are the same, and for no others. Undefined for what is no key. */
const identify = (key: Key): string | undefined => {
  if (typeof key === "string") return key.startsWith("\0") ? `\0${JSON.stringify(key)}` : key
  if (typeof key !== "object" || key === null) return undefined
  const members = Object.entries(key)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, Array.isArray(value) ? [...new Set(value)].sort() : value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return members.every(([, value]) => [value].flat().every((text) => typeof text === "string"))
    ? `\0${JSON.stringify(members)}`
    : undefined
}

const invalid = (option: string, expected: string) =>
  new InvalidOption({ provider: "CredentialsMap", option, expected })

/** Between two looks at what a renewal has left behind. A token that came otherwise may fall due before its time is up. */
const shortest = /* @__PURE__ */ Duration.millis(10)
const longest = /* @__PURE__ */ Duration.millis(10 * Timing.nap)

const checked = <K extends Key, R>(options: Options<K, R>): Effect.Effect<number, InvalidOption> => {
  for (const option of ["capacity", "concurrency"] as const) {
    const value = options[option] ?? 1
    if (!(value >= 1 && (value === Infinity || Number.isInteger(value)))) return invalid(option, "1 or more")
  }
  const idle = Option.map(Duration.decodeUnknown(options.idleTimeToLive ?? "1 hour"), Duration.toMillis)
  return Option.isSome(idle) && idle.value > 0
    ? Effect.succeed(idle.value)
    : invalid("idleTimeToLive", 'more than no time, as "1 hour"')
}

/**
 * A map of credentials, for as long as the scope. All of them share one schedule, and whoever asks for the same key the same flight.
 *
 * **Details** – an option that cannot work fails with `InvalidOption`; one of a key's provider does so whenever that key is asked for.
 *
 * **Gotchas** – whatever makes a difference has to be in the key: `lookup` sees nothing else. A refresh token that is not in a store is lost with its credentials when these are
 * released; so for logins use `Provider.persisted`, with a key of their own each: whoever logs in is in no provider's own key.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import * as CredentialsMap from "effect-credentials/CredentialsMap"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect } from "effect"
 *
 * const server = Testing.authorizationServer()
 * const program = Effect.gen(function*() {
 *   const tenants = yield* CredentialsMap.make({
 *     lookup: ({ scope, tenant }: { tenant: string; scope: ReadonlyArray<string> }) =>
 *       ClientCredentials.make({ tokenEndpoint: server.tokenEndpoint.url, clientId: tenant, clientSecret: "s3cret", scope })
 *   })
 *   console.log((yield* tenants.token({ tenant: "acme", scope: ["read"] })).scope)
 * })
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(server.layer)))
 * // [ 'read' ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const K extends Key, R = never>(
  options: Options<K, R>
): Effect.Effect<CredentialsMap<K>, InvalidOption, R | Scope.Scope> =>
  Effect.gen(function* () {
    const idleTimeToLive = yield* checked(options)
    const { capacity = 10_000, concurrency = 64, lookup, scheduled = false } = options
    const whole = yield* Effect.scope
    // Credentials belong to the map: they must keep nothing of the caller who happened to come first.
    const start = Runtime.runFork(yield* Effect.runtime<R>())
    const making = yield* Credentials.maker<R>(options)

    const used = new Map<string, Entry>()
    /** Those that nobody uses, the least recently used first. */
    const unused = new Map<string, Entry>()
    /** Those that are released as soon as nobody uses them any more. */
    const leaving = new Set<Entry>()
    /** What is being released. */
    const closing = new Set<Fiber.RuntimeFiber<void>>()
    let isOver = false
    const find = (id: string | undefined): Entry | undefined =>
      id === undefined ? undefined : (used.get(id) ?? unused.get(id))
    const size = () => used.size + unused.size
    const due = Heap.make<Slot>(({ dueAt }) => dueAt)
    let renewing = 0
    let woken: Deferred.Deferred<void> | undefined

    // A clock that never goes back, and sees all that either of the machine's clocks sees.
    let time = 0
    let looked = Timing.instant(yield* Effect.clock)
    const look = (clock: Clock.Clock): number => {
      const now = Timing.instant(clock)
      time += Timing.elapsed(looked, now)
      looked = now
      return time
    }
    const wake = () => {
      if (woken !== undefined) Deferred.unsafeDone(woken, Exit.void)
      woken = undefined
    }

    /** In the background: a rotated refresh token that is on its way is given time to arrive. */
    const close = (entry: Entry): void => {
      const fiber = start(Scope.close(entry, Exit.void))
      closing.add(fiber)
      fiber.addObserver(() => closing.delete(fiber))
    }

    const release = (entry: Entry): void => {
      if (find(entry.id) === entry) (entry.uses > 0 ? used : unused).delete(entry.id)
      if (entry.slot !== undefined) entry.slot.entry = undefined
      if (entry.uses > 0) leaving.add(entry)
      else close(entry)
    }

    const plan = (entry: Entry, dueAt: number) => {
      if (find(entry.id) !== entry) return
      entry.slot = { dueAt, entry }
      due.push(entry.slot)
      wake()
    }

    /** Releases what there is too much of, and what has been idle for too long. */
    const tidy = (now: number): void => {
      for (const entry of unused.values()) {
        if (size() <= capacity && now - entry.usedAt < idleTimeToLive) break
        release(entry)
      }
    }

    const build = (key: K, entry: Entry, made: Deferred.Deferred<Credentials.Credentials, InvalidOption>) =>
      Effect.suspend(() => making(lookup(key))).pipe(
        Effect.provideService(Scope.Scope, entry),
        Effect.exit,
        Effect.map((exit) => {
          Deferred.unsafeDone(made, exit)
          if (Exit.isFailure(exit)) return release(entry)
          entry.credentials = exit.value
          if (scheduled) plan(entry, time)
        })
      )

    /** The entry of a key, in use until {@link leave}. */
    const enter = (key: K): Effect.Effect<Entry, InvalidOption> =>
      Effect.clockWith((clock) => {
        const now = look(clock)
        const id = identify(key)
        if (id === undefined) return invalid("key", "text, or a record of texts and lists of texts")
        const known = find(id)
        if (known !== undefined) {
          if (known.uses++ === 0) {
            unused.delete(id)
            used.set(id, known)
          }
          return Effect.succeed(known)
        }
        const made = Deferred.unsafeMake<Credentials.Credentials, InvalidOption>(FiberId.none)
        const entry = new Entry(id, made, now)
        used.set(id, entry)
        if (size() === 1) wake()
        if (isOver) Effect.runSync(Scope.close(entry, Exit.void))
        start(build(key, entry, made), { immediate: true })
        tidy(now)
        return Effect.succeed(entry)
      })

    /** Nobody uses it from now on: it is the last to be released. */
    const setAside = (entry: Entry, now: number): void => {
      entry.usedAt = now
      unused.delete(entry.id)
      unused.set(entry.id, entry)
    }

    const leave = (entry: Entry): Effect.Effect<void> =>
      Effect.clockWith((clock) => {
        entry.uses--
        if (entry.uses > 0) return Effect.void
        if (leaving.delete(entry)) close(entry)
        else {
          used.delete(entry.id)
          setAside(entry, look(clock))
          if (size() > capacity) tidy(entry.usedAt)
        }
        return Effect.void
      })

    const credentialsOf = ({ credentials }: Entry): Effect.Effect<Credentials.Credentials, InvalidOption> =>
      Deferred.DeferredTypeId in credentials ? Deferred.await(credentials) : Effect.succeed(credentials)

    const use: CredentialsMap<K>["use"] = (key, f) =>
      Effect.acquireUseRelease(enter(key), (entry) => Effect.flatMap(credentialsOf(entry), f), leave)

    const renew = (entry: Entry): Effect.Effect<void> =>
      Effect.clockWith((clock) =>
        // Planned are only those that are made.
        Effect.map((entry.credentials as Credentials.Credentials).maintain, (rest) => {
          renewing--
          const pause = Duration.toMillis(Duration.clamp(rest, { minimum: shortest, maximum: longest }))
          plan(entry, look(clock) + Math.ceil(pause))
          // Also if it is not planned any more: there is a hand free.
          wake()
        })
      )

    /** Begins what is due, and says how long there is to sleep. */
    const turn = Effect.clockWith((clock) => {
      const now = look(clock)
      const begun: Array<Entry> = []
      while (renewing < concurrency && (due.peek()?.dueAt ?? Infinity) <= now) {
        const { entry } = due.pop()!
        if (entry === undefined) continue
        renewing++
        begun.push(entry)
      }
      // With all hands busy, the next one that is free wakes us.
      const next = renewing < concurrency ? (due.peek()?.dueAt ?? Infinity) : Infinity
      return Effect.map(
        Effect.forEach(begun, (entry) => Effect.forkIn(renew(entry), whole), { discard: true }),
        () => {
          tidy(now)
          return size() === 0 ? Duration.infinity : Duration.millis(Math.ceil(Math.min(next - now, Timing.nap)))
        }
      )
    })
    const schedule = Effect.suspend(() => {
      const awake = (woken = Deferred.unsafeMake<void>(FiberId.none))
      return Effect.flatMap(turn, (rest) =>
        rest === Duration.infinity ? Deferred.await(awake) : Effect.raceFirst(Effect.sleep(rest), Deferred.await(awake))
      )
    })
    yield* Effect.addFinalizer((exit) =>
      Effect.suspend(() => {
        isOver = true
        const all = [...leaving, ...unused.values(), ...used.values()]
        return Effect.zipRight(
          Effect.forEach(all, (entry) => Scope.close(entry, exit), { concurrency: "unbounded", discard: true }),
          Effect.suspend(() => Fiber.awaitAll(closing))
        )
      })
    )
    yield* Effect.forkScoped(Effect.forever(schedule))

    /** A token that is there is handed out in one step, in which nobody can release its credentials. */
    const token: CredentialsMap<K>["token"] = (key) =>
      Effect.clockWith((clock) => {
        const entry = find(identify(key))
        if (entry !== undefined && "token" in entry.credentials && isLooking(entry.credentials)) {
          const found = entry.credentials.look(clock)
          if (Exit.isExit(found)) {
            if (entry.uses === 0) setAside(entry, look(clock))
            return found
          }
        }
        return use(key, (credentials) => credentials.tokenValidFor(0))
      })

    const map: CredentialsMap<K> & { readonly toJSON: () => unknown } = {
      token,
      use,
      get: (key) => Effect.flatMap(Effect.acquireRelease(enter(key), leave), credentialsOf),
      invalidate: (key) =>
        Effect.suspend(() => {
          const entry = find(identify(key))
          if (entry !== undefined) release(entry)
          return Effect.void
        }),
      size: Effect.sync(size),
      toJSON: () => ({ _id: "effect-credentials/CredentialsMap", size: size() })
    }
    return map
  })
