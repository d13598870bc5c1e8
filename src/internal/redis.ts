/**
 * Texts in Redis, one per name, for a fleet. What is written under a name is written by who has the lease for it, and in the place of what he has read: scripts look
 * and write at once. Each of them can be sent twice, because an answer can be lost.
 *
 * @module
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Lease from "./lease.ts"
import * as Lock from "./lock.ts"
import * as Text from "./text.ts"
import type { Failure, TextLock, Texts } from "./textStore.ts"
import * as Timing from "./timing.ts"

/** What is used of a client: `Redis` and `Cluster` of ioredis are such. */
export interface Client {
  /** Sends a command. */
  call(command: string, ...args: Array<string | number>): Promise<unknown>
  /** Listens to a channel. */
  subscribe(channel: string): Promise<unknown>
  /** Another connection to the same place. */
  duplicate(): Client
  /** Tells of what happens to the connection. */
  on(event: "error" | "ready" | "message", listener: (...args: Array<any>) => void): unknown
  /** Ends the connection. */
  disconnect(): void
}

export interface Options {
  readonly client: Client
  readonly prefix: string
  /** For how long a lock is lent, in milliseconds. */
  readonly lease: number
  /** How long Redis may take to answer, in milliseconds. */
  readonly timeLimit: number
  /** How long a text is kept, in milliseconds; undefined: for ever. */
  readonly timeToLive: number | undefined
  /** Why the connection was lost last, for errors that do not say it. */
  readonly lastError: () => unknown
}

export interface Redis {
  readonly texts: Texts
  readonly lock: TextLock
}

const scripts = {
  take: `
if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('pexpire', KEYS[1], ARGV[2]) return 1 end
if redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0`,
  renew: `
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('pexpire', KEYS[1], ARGV[2])
return 1`,
  release: `
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('del', KEYS[1])
redis.call('publish', ARGV[2], 'released')
return 1`,
  replace: `
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 'lost' end
local present = redis.call('get', KEYS[2]) or ''
if present == ARGV[3] then return 'done' end
if present ~= ARGV[2] then return 'changed' end
if ARGV[4] == '' then redis.call('set', KEYS[2], ARGV[3]) else redis.call('set', KEYS[2], ARGV[3], 'PX', ARGV[4]) end
redis.call('sadd', KEYS[3], ARGV[5])
redis.call('publish', ARGV[6], ARGV[5])
return 'done'`,
  setAside: `
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 'lost' end
if redis.call('exists', KEYS[2]) == 1 then redis.call('rename', KEYS[2], KEYS[4]) end
redis.call('srem', KEYS[3], ARGV[2])
return 'done'`,
  remove: `
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 'lost' end
redis.call('del', KEYS[2], KEYS[4])
redis.call('srem', KEYS[3], ARGV[2])
return 'done'`,
  names: `
local there = {}
for _, name in ipairs(redis.call('smembers', KEYS[1])) do
  if redis.call('exists', KEYS[2] .. name) == 1 then there[#there + 1] = name else redis.call('srem', KEYS[1], name) end
end
return there`
}

/** What Redis says, and what to do about it. */
const replies: Readonly<Record<string, string>> = {
  NOAUTH: "Redis wants a password: put it in the URL, or give it to the client",
  WRONGPASS: "Redis refuses the user or the password: check them",
  NOPERM: "this user of Redis may not do that: allow GET, SET, EVAL, SUBSCRIBE and what the scripts use",
  LOADING: "Redis is still loading what it has stored; try again later",
  TRYAGAIN: "the cluster is just moving the keys; try again later",
  MOVED: "this is one node of a cluster: give a Cluster of ioredis as the client",
  ASK: "this is one node of a cluster: give a Cluster of ioredis as the client",
  CLUSTERDOWN: "the cluster is down; try again later",
  MASTERDOWN: "this Redis lost its master; try again later",
  READONLY: "this Redis is a replica: connect to the one that can be written to",
  OOM: "Redis has no memory left: raise maxmemory, or remove something",
  MISCONF: "Redis cannot write to its disk: look at its log",
  NOREPLICAS: "Redis has too few replicas to write",
  WRONGTYPE: "somebody keeps something else under this name: choose another prefix"
}

const brief: ReadonlySet<string> = new Set(["LOADING", "TRYAGAIN", "timeout"])

interface Refusal {
  readonly code: string
  readonly description: string
}

const silence: Refusal = { code: "timeout", description: "Redis did not answer in time; check it and the network" }

/** An error's own text can quote a command, and a command a token: only its first word counts, and that only if it is known. */
const refusalOf = (error: unknown, lastError: () => unknown): Refusal => {
  const { code, message, name } = (error ?? {}) as { readonly [part: string]: unknown }
  const word = typeof message === "string" ? (/^[A-Z]+(?= |$)/.exec(message)?.[0] ?? "") : ""
  if (Object.hasOwn(replies, word)) return { code: word, description: replies[word]! }
  if (name === "ReplyError") {
    return { code: "", description: `Redis refused the command${word === "" ? "" : ` (${Text.printable(word, 20)})`}` }
  }
  // What ioredis says when it has waited long enough.
  if (typeof message === "string" && /^(Socket timeout|Command timed out)/.test(message)) return silence
  const earlier = lastError()
  if (earlier !== undefined && typeof code !== "string") return refusalOf(earlier, () => {})
  const why = typeof code === "string" && /^[A-Z_]{2,40}$/.test(code) ? ` (${code})` : ""
  return {
    code: "",
    description: `Redis was not reached${why}: check its address and the network, and that it runs`
  }
}

const firstPause = 50

export const make = (options: Options): Effect.Effect<Redis, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { client, lastError, lease, prefix, timeLimit, timeToLive } = options
    // All keys are of one slot, so that scripts may use them together in a cluster.
    const key = (kind: string, name = "") => `{${prefix}}:${kind}:${name}`
    const namesKey = `{${prefix}}:names`
    const channel = `{${prefix}}:events`

    /** Its time is counted in a fiber of its own: whoever cannot be interrupted would otherwise wait for ever. */
    const once = (command: string, args: ReadonlyArray<string | number>): Effect.Effect<unknown, Refusal> =>
      Effect.tryPromise({
        try: () => client.call(command, ...args),
        catch: (error) => refusalOf(error, lastError)
      }).pipe(
        Effect.timeoutFail({
          duration: timeLimit / 2,
          onTimeout: (): Refusal =>
            lastError() === undefined ? silence : { ...refusalOf(lastError(), () => {}), code: silence.code }
        }),
        Effect.interruptible,
        Effect.forkDaemon,
        Effect.flatMap(Fiber.join)
      )

    /** Sends it, again if that may help and does no harm. */
    const send = (command: string, ...args: ReadonlyArray<string | number>): Effect.Effect<unknown, Failure> =>
      Effect.clockWith((clock) => {
        const start = Timing.instant(clock)
        const attempt = (pause: number): Effect.Effect<unknown, Refusal> =>
          Effect.catchAll(once(command, args), (refusal) =>
            brief.has(refusal.code) && Timing.elapsed(start, Timing.instant(clock)) + pause < timeLimit
              ? Effect.zipRight(Effect.sleep(pause), attempt(pause * 2))
              : Effect.fail(refusal)
          )
        return Effect.mapError(attempt(firstPause), ({ description }): Failure => ({
          reason: "Unavailable",
          description
        }))
      })

    const run = (script: keyof typeof scripts, keys: ReadonlyArray<string>, args: ReadonlyArray<string | number>) =>
      send("eval", scripts[script], keys.length, ...keys, ...args)

    const get = (name: string): Effect.Effect<Option.Option<string>, Failure> =>
      Effect.map(send("get", key("token", name)), (text) =>
        typeof text === "string" ? Option.some(text) : Option.none()
      )

    // What happens elsewhere

    /** Names of what was stored; empty when a lock was released; undefined: anything may have happened. */
    const events = yield* PubSub.unbounded<string | undefined>()

    /** A second connection, because one that listens does nothing else; there while anybody wants to know. */
    const listening = yield* RcRef.make({
      idleTimeToLive: "1 minute",
      acquire: Effect.acquireRelease(
        Effect.sync(() => {
          const second = client.duplicate()
          const tell = (event: string | undefined) => void events.unsafeOffer(event)
          // Whatever was told before is lost. Who may not subscribe still looks now and then.
          const begin = () =>
            second.subscribe(channel).then(
              () => tell(undefined),
              () => {}
            )
          second.on("error", () => {})
          second.on("ready", begin)
          second.on("message", (_, message) => tell(message === "released" ? "" : String(message)))
          void begin()
          return second
        }),
        (second) => Effect.sync(() => second.disconnect())
      )
    })

    /** Subscribing again changes nothing: whoever is told so is still connected, and still heard. */
    const areTold: Effect.Effect<boolean> = Effect.flatMap(RcRef.get(listening), (second) =>
      Effect.tryPromise(() => second.subscribe(channel))
    ).pipe(Effect.scoped, Effect.timeout(timeLimit), Effect.isSuccess)

    const listen: Effect.Effect<Queue.Dequeue<string | undefined>, never, Scope.Scope> = Effect.zipLeft(
      PubSub.subscribe(events),
      RcRef.get(listening)
    )

    // The lock

    const here = Lock.keyed()
    /** Who has the lease, under the names that this process has one for. */
    const owners = new Map<string, string>()

    const lenderOf = (name: string): Lease.Lender<Failure> => {
      const lock = key("lock", name)
      return {
        take: (owner) => Effect.map(run("take", [lock], [owner, lease]), (answer) => answer === 1),
        renew: (owner) => Effect.map(run("renew", [lock], [owner, lease]), (answer) => answer === 1),
        release: (owner) => run("release", [lock], [owner, channel]),
        released: Effect.map(listen, (queue) =>
          Effect.asVoid(Effect.repeat(Queue.take(queue), { until: (event) => event === "" || event === undefined }))
        )
      }
    }

    const withLock: TextLock["withLock"] = (name, limit) => (effect) => {
      const onTimeout = (): Failure => ({
        reason: "LockTimeout",
        description: `somebody else has held the lock for ${Duration.format(limit)}; try again later`
      })
      const owned = (owner: string) =>
        Effect.acquireUseRelease(
          Effect.sync(() => owners.set(name, owner)),
          () => effect,
          () => Effect.sync(() => owners.delete(name))
        )
      return Effect.clockWith((clock) => {
        const start = Timing.instant(clock)
        const left = () =>
          Duration.millis(Math.max(0, Duration.toMillis(limit) - Timing.elapsed(start, Timing.instant(clock))))
        return here(name)(
          Effect.suspend(() =>
            Lease.holding(owned, {
              lender: lenderOf(name),
              lease: Duration.millis(lease),
              timeLimit: left(),
              onTimeout,
              onLost: () => lost
            })
          ),
          { duration: limit, onTimeout }
        )
      })
    }

    /** Runs a script that needs the lease. False: what is there is not what it should be. */
    const owning = (
      script: "replace" | "setAside" | "remove",
      name: string,
      keys: ReadonlyArray<string>,
      args: ReadonlyArray<string | number>
    ): Effect.Effect<boolean, Failure> =>
      Effect.flatMap(
        Effect.suspend(() =>
          run(script, [key("lock", name), key("token", name), ...keys], [owners.get(name) ?? "", ...args])
        ),
        (answer) => (answer === "lost" ? Effect.fail(lost) : Effect.succeed(answer === "done"))
      )

    return {
      lock: { withLock },
      texts: {
        ensure: Effect.void,
        exists: Effect.succeed(true),
        read: (name) =>
          Effect.map(
            get(name),
            Option.map((text) => ({ text }))
          ),
        replace: (name, text, check) => {
          const attempt: Effect.Effect<void, Failure> = Effect.flatMap(get(name), (present) =>
            Effect.zipRight(
              check(Option.map(present, (text) => ({ text }))),
              owning(
                "replace",
                name,
                [namesKey],
                [Option.getOrElse(present, () => ""), text, timeToLive ?? "", name, channel]
              )
            )
          ).pipe(
            // The next look tells what is there now.
            Effect.repeat({ until: (isDone) => isDone }),
            Effect.asVoid
          )
          return attempt
        },
        setAside: (name) => {
          const aside = key("corrupt", name)
          return Effect.as(owning("setAside", name, [namesKey, aside], [name]), aside)
        },
        remove: (name) => owning("remove", name, [namesKey, key("corrupt", name)], [name]),
        names: Effect.map(run("names", [namesKey, key("token")], []), (names) =>
          Array.isArray(names) ? names.map(String) : []
        ),
        changes: Stream.unwrapScoped(
          Effect.map(listen, (queue) => Stream.filter(Stream.fromQueue(queue), (event) => event !== ""))
        ),
        areTold
      }
    }
  })

const lost: Failure = {
  reason: "Conflict",
  description:
    "this process was stopped, or out of reach of Redis, for so long that it lost the lock; nothing was overwritten, try again"
}
