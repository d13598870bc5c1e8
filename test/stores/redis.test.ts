import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Redis as IORedis } from "ioredis"
import { inspect } from "node:util"
import { afterAll, beforeAll } from "vitest"
import * as Credentials from "../../src/Credentials.ts"
import { RefreshError, type TokenStoreError } from "../../src/CredentialsError.ts"
import * as Provider from "../../src/Provider.ts"
import * as Redis from "../../src/Redis.ts"
import { TokenStore } from "../../src/TokenStore.ts"
import * as RedisServer from "../support/redisServer.ts"
import * as RespServer from "../support/respServer.ts"
import { complete, contract, numbered, numberOf, oddKeys, written } from "./contract.ts"

let count = 0
/** Keys that nobody else uses. */
const prefix = () => `test-${++count}`

const open = <E = never>(options: Redis.Options<E>): Effect.Effect<TokenStore, E | TokenStoreError, Scope.Scope> =>
  Effect.flatMap(Layer.build(Redis.layer(options)), (context) => Effect.provide(TokenStore, context))

const put = (store: TokenStore, key: string, n: number) => store.transaction(key, () => Effect.succeedSome(numbered(n)))

const stored = (store: TokenStore, key: string) =>
  Effect.map(store.get(key), (token) => Option.getOrNull(Option.map(token, numberOf)))

const isUnavailable = (error: TokenStoreError, what: RegExp) => {
  assert.strictEqual(error.reason, "Unavailable")
  assert.match(error.description, what)
}

describe.skipIf(!RedisServer.isInstalled)("a real Redis", () => {
  const scope = Effect.runSync(Scope.make())
  let server: RedisServer.RedisServer
  let raw: IORedis
  beforeAll(async () => {
    server = await Effect.runPromise(Scope.extend(RedisServer.start(), scope))
    raw = new IORedis(server.url)
  })
  afterAll(() => {
    raw.disconnect()
    return Effect.runPromise(Scope.close(scope, Exit.void))
  })
  const ask = <A>(question: (raw: IORedis) => Promise<A>): Effect.Effect<A> => Effect.promise(() => question(raw))

  contract(
    "Redis.layer",
    Effect.sync(() => {
      const options = { url: server.url, prefix: prefix() }
      return () => Redis.layer(options)
    })
  )

  contract(
    "Redis.layer with encryption",
    Effect.sync(() => {
      const options = { url: server.url, prefix: prefix(), encryption: Redacted.make(new Uint8Array(32).fill(7)) }
      return () => Redis.layer(options)
    })
  )

  it.scopedLive("holds keys of one form and of one slot, whatever the tokens are called (S193)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const store = yield* open({ url: server.url, prefix: mine })
      for (const key of [...oddKeys, "{other}:x", "*", "a\r\nDEL b"]) yield* put(store, key, 1)
      const keys = yield* ask((raw) => raw.keys(`*${mine}*`))
      assert.isAbove(keys.length, oddKeys.length)
      for (const key of keys) {
        assert.match(key, new RegExp(`^\\{${mine}\\}:(token:[0-9a-f]{32}\\.token|names)$`))
      }
    })
  )

  it.scopedLive("holds tokens that only who has the key can read, if told so (S194)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const values = Effect.flatMap(
        ask((raw) => raw.keys(`{${mine}}:token:*`)),
        (keys) => ask((raw) => raw.mget(...keys))
      )
      const key = Redacted.make(new Uint8Array(32).fill(1))
      const store = yield* open({ url: server.url, prefix: mine, encryption: Effect.succeed(key) })
      yield* store.transaction("me", () => Effect.succeedSome(complete))
      const [text] = yield* values
      assert.notInclude(text, "access-7")
      assert.notInclude(text, '"me"')
      assert.strictEqual(text!.split(".").length, 5)
      const wrong = Redacted.make(new Uint8Array(32).fill(2))
      const other = yield* open({ url: server.url, prefix: mine, encryption: wrong })
      assert.strictEqual((yield* Effect.flip(other.get("me"))).reason, "Permissions")
      const plain = yield* open({ url: server.url, prefix: mine })
      assert.strictEqual((yield* Effect.flip(plain.get("me"))).reason, "Permissions")
      assert.deepStrictEqual(written(Option.getOrThrow(yield* store.get("me"))), written(complete))
    })
  )

  it.scopedLive("keeps tokens for ever, or for as long as it is told; what is gone is not listed (S195)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const remaining = Effect.flatMap(
        ask((raw) => raw.keys(`{${mine}}:token:*`)),
        ([key]) => ask((raw) => raw.pttl(key!))
      )
      yield* put(yield* open({ url: server.url, prefix: mine }), "me", 1)
      assert.strictEqual(yield* remaining, -1)
      const brief = yield* open({ url: server.url, prefix: mine, timeToLive: "1 hour" })
      yield* put(brief, "me", 2)
      const left = yield* remaining
      assert.isAbove(left, 3_500_000)
      assert.isAtMost(left, 3_600_000)
      assert.deepStrictEqual(yield* brief.list, ["me"])
      const [key] = yield* ask((raw) => raw.keys(`{${mine}}:token:*`))
      yield* ask((raw) => raw.pexpire(key!, 1))
      yield* Effect.repeat(
        ask((raw) => raw.exists(key!)),
        { until: (n) => n === 0 }
      )
      assert.deepStrictEqual(yield* brief.list, [])
      assert.deepStrictEqual(yield* ask((raw) => raw.smembers(`{${mine}}:names`)), [])
    })
  )

  it.scopedLive("lets a holder that lost its lease overwrite nothing, and leaves another's lock alone (S189)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const store = yield* open({ url: server.url, prefix: mine })
      const other = yield* open({ url: server.url, prefix: mine })
      yield* put(store, "me", 1)
      const error = yield* Effect.flip(
        store.transaction("me", () =>
          Effect.gen(function* () {
            const [lock] = yield* ask((raw) => raw.keys(`{${mine}}:lock:*`))
            assert.strictEqual((yield* ask((raw) => raw.get(lock!)))?.length, 32)
            // As if it had expired while this process was stopped.
            yield* ask((raw) => raw.del(lock!))
            yield* put(other, "me", 2)
            yield* ask((raw) => raw.set(lock!, "somebody else's"))
            return Option.some(numbered(3))
          })
        )
      )
      assert.strictEqual(error.reason, "Conflict")
      assert.strictEqual(yield* stored(store, "me"), 2)
      const [lock] = yield* ask((raw) => raw.keys(`{${mine}}:lock:*`))
      assert.strictEqual(yield* ask((raw) => raw.get(lock!)), "somebody else's")
      const removed = yield* Effect.flip((yield* open({ url: server.url, prefix: mine, lockTimeout: 50 })).remove("me"))
      assert.strictEqual(removed.reason, "LockTimeout")
    })
  )

  it.scopedLive("lets nobody overwrite what was written without a lock, or is another one than was read (S189)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const store = yield* open({ url: server.url, prefix: mine })
      yield* put(store, "me", 1)
      const [key] = yield* ask((raw) => raw.keys(`{${mine}}:token:*`))
      const before = yield* ask((raw) => raw.get(key!))
      const replaced = before!.replace("access-1", "access-9")
      const error = yield* Effect.flip(
        store.transaction("me", () =>
          Effect.as(
            ask((raw) => raw.set(key!, replaced)),
            Option.some(numbered(2))
          )
        )
      )
      assert.strictEqual(error.reason, "Conflict")
      assert.strictEqual(yield* ask((raw) => raw.get(key!)), replaced)
    })
  )

  it.scopedLive("lets nobody write or remove without the lock, even if nothing has been written meanwhile (S189)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const store = yield* open({ url: server.url, prefix: mine })
      yield* put(store, "me", 1)
      for (const after of [Option.some(numbered(2)), Option.none()]) {
        const error = yield* Effect.flip(
          store.transaction("me", () =>
            Effect.gen(function* () {
              const [lock] = yield* ask((raw) => raw.keys(`{${mine}}:lock:*`))
              yield* ask((raw) => raw.set(lock!, "somebody else's", "PX", 100))
              return after
            })
          )
        )
        assert.strictEqual(error.reason, "Conflict")
        assert.strictEqual(yield* stored(store, "me"), 1)
      }
    })
  )

  it.scopedLive("lets nobody overwrite what was written between his last look and his own writing (S189)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const client = Object.create(raw) as IORedis
      const store = yield* open({ client, prefix: mine })
      yield* put(store, "me", 1)
      const [key] = yield* ask((raw) => raw.keys(`{${mine}}:token:*`))
      const replaced = (yield* ask((raw) => raw.get(key!)))!.replace("access-1", "access-9")
      let looks = 0
      client.call = async (command: string, ...args: Array<any>) => {
        // The text is not there yet when it is looked at, and there when the answer comes.
        const answer = await raw.call(command, ...args)
        if (command === "get" && ++looks === 2) await raw.set(key!, replaced)
        return answer
      }
      const error = yield* Effect.flip(put(store, "me", 2))
      assert.isAbove(looks, 2)
      assert.strictEqual(error.reason, "Conflict")
      assert.strictEqual(yield* ask((raw) => raw.get(key!)), replaced)
    })
  )

  it.scopedLive("ends the lock of a holder that died when its lease is over, and not before (S189)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const store = yield* open({ url: server.url, prefix: mine, lease: 500 })
      yield* put(store, "me", 1)
      const name = (yield* ask((raw) => raw.keys(`{${mine}}:token:*`)))[0]!.replace(":token:", ":lock:")
      yield* ask((raw) => raw.set(name, "dead", "PX", 500))
      yield* put(store, "me", 2)
      // It lives for three leases, and keeps the lock.
      let isInside = false
      yield* Effect.all(
        [
          store.transaction("me", () =>
            Effect.gen(function* () {
              isInside = true
              yield* Effect.sleep(1_500)
              isInside = false
              return Option.some(numbered(3))
            })
          ),
          Effect.gen(function* () {
            yield* Effect.sleep(50)
            yield* (yield* open({ url: server.url, prefix: mine, lease: 500 })).transaction("me", (token) => {
              assert.isFalse(isInside)
              return Effect.succeed(Option.map(token, (token) => numbered(numberOf(token) + 1)))
            })
          })
        ],
        { concurrency: 2 }
      )
      assert.strictEqual(yield* stored(store, "me"), 4)
    })
  )

  it.scopedLive("sets aside what is no token, says so once, and goes on (S201)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const store = yield* open({ url: server.url, prefix: mine })
      yield* put(store, "me", 1)
      const [key] = yield* ask((raw) => raw.keys(`{${mine}}:token:*`))
      yield* put(store, "you", 2)
      for (const poison of ["{", "[]", '{"version":1,"key":"you","revision":1,"token":{}}', "\0"]) {
        yield* ask((raw) => raw.set(key!, poison))
        assert.deepStrictEqual(yield* store.list, ["you"])
        const error = yield* Effect.flip(store.get("me"))
        assert.strictEqual(error.reason, "Corrupt")
        assert.strictEqual(yield* ask((raw) => raw.get(key!.replace(":token:", ":corrupt:"))), poison)
        assert.strictEqual(yield* stored(store, "me"), null)
        yield* put(store, "me", 3)
        assert.deepStrictEqual([...(yield* store.list)].sort(), ["me", "you"])
      }
      yield* store.remove("me")
      assert.deepStrictEqual(yield* ask((raw) => raw.keys(`{${mine}}:corrupt:*`)), [])
      assert.strictEqual(yield* stored(store, "you"), 2)
    })
  )

  it.scopedLive("refuses what a newer version wrote, and keeps it (S180)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const store = yield* open({ url: server.url, prefix: mine })
      yield* put(store, "me", 1)
      const [key] = yield* ask((raw) => raw.keys(`{${mine}}:token:*`))
      yield* ask((raw) => raw.set(key!, '{"version":999}'))
      assert.strictEqual((yield* Effect.flip(store.get("me"))).reason, "NewerVersion")
      assert.strictEqual((yield* Effect.flip(put(store, "me", 2))).reason, "NewerVersion")
      assert.strictEqual(yield* ask((raw) => raw.get(key!)), '{"version":999}')
    })
  )

  it.scopedLive("brings one token to all who start at once, by one request (S200)", () =>
    Effect.gen(function* () {
      const options = { url: server.url, prefix: prefix() }
      let requests = 0
      const provider = Provider.make({
        name: "Slow",
        acquire: () =>
          Effect.as(
            Effect.delay(
              Effect.sync(() => requests++),
              50
            ),
            numbered(1)
          )
      }).pipe(Provider.persisted("me"))
      const token = Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token)
      const started = yield* Effect.replicateEffect(Effect.provide(token, Redis.layer(options)), 30, {
        concurrency: "unbounded"
      })
      assert.strictEqual(requests, 1)
      assert.strictEqual(new Set(started.map(({ accessToken }) => Redacted.value(accessToken))).size, 1)
    })
  )

  it.scopedLive("measures leases by its own clock, however far apart those of the machines are (S192)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const live = yield* Effect.clock
      const shifted = (hours: number): Clock.Clock => ({
        ...live,
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        sleep: (duration) => live.sleep(duration),
        currentTimeMillis: Effect.map(live.currentTimeMillis, (millis) => millis + hours * 3_600_000),
        unsafeCurrentTimeMillis: () => live.unsafeCurrentTimeMillis() + hours * 3_600_000,
        currentTimeNanos: live.currentTimeNanos,
        unsafeCurrentTimeNanos: () => live.unsafeCurrentTimeNanos()
      })
      let inside = 0
      const machine = (hours: number) =>
        Effect.gen(function* () {
          const store = yield* open({ url: server.url, prefix: mine, lease: 500 })
          for (let n = 0; n < 3; n++) {
            yield* store.transaction("me", (token) =>
              Effect.gen(function* () {
                assert.strictEqual(++inside, 1)
                yield* Effect.sleep(100)
                inside--
                return Option.some(
                  numbered(Option.match(token, { onNone: () => 1, onSome: (token) => numberOf(token) + 1 }))
                )
              })
            )
          }
        }).pipe(Effect.withClock(shifted(hours)))
      yield* Effect.all([machine(0), machine(5), machine(-5)], { concurrency: 3 })
      assert.strictEqual(yield* stored(yield* open({ url: server.url, prefix: mine }), "me"), 9)
    })
  )

  it.scopedLive("that lost what was written last leads to a refusal, which is told, and to no loop (S191)", () =>
    Effect.gen(function* () {
      const mine = prefix()
      let current = 0
      let requests = 0
      const provider = Provider.make({
        name: "Rotating",
        acquire: ({ previous }) =>
          Effect.suspend(() => {
            requests++
            const spent = Option.match(previous, { onNone: () => 0, onSome: numberOf })
            return spent === current
              ? Effect.succeed(numbered(++current))
              : new RefreshError({
                  provider: "Rotating",
                  reason: { _tag: "Rejected", code: "invalid_grant", status: 400 }
                })
          })
      }).pipe(Provider.persisted("me"))
      const started = Effect.flatMap(Layer.build(Redis.layer({ url: server.url, prefix: mine })), (context) =>
        Effect.provide(Credentials.make(provider), context)
      )
      const before = yield* started
      const first = yield* before.token
      const [key] = yield* ask((raw) => raw.keys(`{${mine}}:token:*`))
      const old = yield* ask((raw) => raw.get(key!))
      assert.strictEqual(numberOf(yield* before.renew(first)), 2)
      // The replica that takes over had not heard of it.
      yield* ask((raw) => raw.set(key!, old!))
      const after = yield* started
      const stale = yield* after.token
      assert.strictEqual(numberOf(stale), 1)
      requests = 0
      const error = yield* Effect.flip(after.renew(stale))
      assert.strictEqual(error.reason._tag, "Rejected")
      assert.isAtMost(requests, 2)
      assert.strictEqual(yield* ask((raw) => raw.get(key!)), old)
    })
  )

  it.scopedLive("uses a client of the caller's, and leaves it open", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new IORedis(server.url, { keyPrefix: "mine:" })),
        (client) => Effect.sync(() => client.disconnect())
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open({ client, prefix: mine })
          const seen = yield* Effect.fork(Stream.runHead(store.changes("me")))
          for (let n = 1; Option.isNone(yield* Fiber.poll(seen)); n++) {
            yield* put(store, "me", n)
            yield* Effect.sleep(5)
          }
          assert.deepStrictEqual(yield* store.list, ["me"])
        })
      )
      assert.strictEqual(yield* Effect.promise(() => client.ping()), "PONG")
      assert.strictEqual((yield* ask((raw) => raw.keys(`mine:{${mine}}:token:*`))).length, 1)
    })
  )

  it.scopedLive("looks at a token that it is told of, and at no other; who is told of none looks now and then", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const keys = Array.from({ length: 20 }, (_, n) => `key-${n}`)
      const other = yield* open({ url: server.url, prefix: mine })
      const watching = (client: Redis.Client) =>
        Effect.gen(function* () {
          const store = yield* open({ client, prefix: mine })
          const seen: Array<string> = []
          for (const key of keys) {
            const see = (token: Parameters<typeof numberOf>[0]) =>
              Effect.sync(() => void seen.push(`${key}: ${numberOf(token)}`))
            yield* Effect.forkScoped(Stream.runForEach(store.changes(key), see))
          }
          return (what: string) => Effect.repeat(Effect.sleep(10), { until: () => seen.includes(what) })
        })

      const commands: Array<string> = []
      const told = Object.create(raw) as IORedis
      let fails = false
      told.call = (command: string, ...args: Array<any>) => {
        commands.push(command)
        return fails ? Promise.reject(new Error("ERR")) : raw.call(command, ...args)
      }
      const sees = yield* watching(told)
      const deaf = Object.create(raw) as IORedis
      deaf.duplicate = () => {
        const second = raw.duplicate()
        second.subscribe = () => Promise.reject(new Error("NOPERM"))
        return second
      }
      const looks = yield* watching(deaf)

      let before = -1
      while (commands.length !== before) {
        before = commands.length
        yield* Effect.sleep(500)
      }
      commands.length = 0
      yield* put(other, "key-7", 1)
      yield* sees("key-7: 1")
      yield* looks("key-7: 1")
      fails = true
      yield* put(other, "key-8", 1)
      yield* Effect.repeat(Effect.sleep(10), { until: () => commands.length === 2 })
      fails = false
      yield* sees("key-8: 1")
      yield* Effect.sleep("6 seconds")
      assert.deepStrictEqual(commands, ["get", "get", "get"])
    })
  )

  it.scopedLive("loses nothing when the answer to any one command is lost, and no answer comes twice", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const real = raw.duplicate()
      yield* Effect.addFinalizer(() => Effect.sync(() => real.disconnect()))
      let nth = 0
      let lose = 0
      const client: Redis.Client = {
        call: async (command, ...args) => {
          const isLost = ++nth === lose
          const answer = await real.call(command, ...args)
          return isLost ? new Promise(() => {}) : answer
        },
        subscribe: (channel) => real.subscribe(channel),
        duplicate: () => real.duplicate(),
        on: () => undefined,
        disconnect: () => {}
      }
      const store = yield* open({ client, prefix: mine, timeLimit: 1_000 })
      yield* put(store, "me", 0)
      nth = 0
      yield* put(store, "me", 1)
      const commands = nth
      assert.isAbove(commands, 3)
      for (lose = 1; lose <= commands; lose++) {
        nth = 0
        yield* put(store, "me", 1 + lose)
        assert.strictEqual(yield* stored(store, "me"), 1 + lose)
      }
    })
  )

  it.scopedLive("is left as it was by a store that never wrote", () =>
    Effect.gen(function* () {
      const mine = prefix()
      const store = yield* open({ url: server.url, prefix: mine })
      yield* store.get("me")
      yield* store.list
      yield* store.transaction("me", (stored) => Effect.succeed(stored))
      assert.deepStrictEqual(yield* ask((raw) => raw.keys(`{${mine}}*`)), [])
    })
  )
})

describe.skipIf(!RedisServer.isInstalled)("a Redis that comes and goes", () => {
  it.scopedLive(
    "is told of as Unavailable, in time, and used again when it is back; watchers see what they missed (S190)",
    () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.start()
        const options = { url: server.url, timeLimit: 500 } as const
        const store = yield* open(options)
        const other = yield* open(options)
        yield* put(store, "me", 1)
        const seen: Array<number> = []
        yield* Effect.fork(
          Stream.runForEach(store.changes("me"), (token) => Effect.sync(() => void seen.push(numberOf(token))))
        )
        const sees = (n: number) => Effect.repeat(Effect.sleep(5), { until: () => seen.includes(n) })
        for (let n = 2; seen.length === 0; n++) {
          yield* put(other, "me", n)
          yield* Effect.sleep(5)
        }
        yield* server.stop
        isUnavailable(yield* Effect.flip(put(store, "me", 100)), /not reached \(ECONNREFUSED\): check its address/)
        isUnavailable(yield* Effect.flip(store.list), /not reached/)
        yield* server.start
        yield* Effect.retry(put(other, "me", 101), { times: 20 })
        assert.strictEqual(yield* Effect.retry(stored(store, "me"), { times: 20 }), 101)
        yield* sees(101)
        yield* put(other, "me", 102)
        yield* sees(102)

        yield* server.signal("SIGSTOP")
        const started = yield* Effect.fork(Effect.flip(store.get("me")))
        isUnavailable(yield* Fiber.join(started), /did not answer/)
        yield* server.signal("SIGCONT")
        assert.strictEqual(yield* Effect.retry(stored(store, "me"), { times: 20 }), 102)
      })
  )

  it.scopedLive(
    "during a transaction: who cannot be sure of the lock gets nothing sent; what was brought is not lost silently",
    () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.start()
        const store = yield* open({ url: server.url, timeLimit: 300 })
        yield* put(store, "me", 1)
        const error = yield* Effect.flip(
          store.transaction("me", () => Effect.as(server.stop, Option.some(numbered(2))))
        )
        isUnavailable(error, /not reached/)
        yield* server.start
        assert.strictEqual(yield* Effect.retry(stored(store, "me"), { times: 20 }), 1)
      })
  )
})

describe("a Redis in trouble", () => {
  const answers: ReadonlyArray<readonly [reply: RespServer.Reply, says: RegExp, times: "once" | "again"]> = [
    ["-NOAUTH Authentication required.", /wants a password/, "once"],
    ["-WRONGPASS invalid username-password pair", /refuses the user or the password/, "once"],
    ["-NOPERM this user has no permissions", /may not do that/, "once"],
    ["-LOADING Redis is loading the dataset in memory", /still loading/, "again"],
    ["-TRYAGAIN Multiple keys request during rehashing of slot", /moving the keys/, "again"],
    ["-MOVED 3999 10.0.0.1:6381", /Cluster of ioredis/, "once"],
    ["-ASK 3999 10.0.0.1:6381", /Cluster of ioredis/, "once"],
    ["-OOM command not allowed when used memory > 'maxmemory'.", /maxmemory/, "once"],
    ["-MISCONF Redis is configured to save RDB snapshots", /write to its disk/, "once"],
    ["-WRONGTYPE Operation against a key holding the wrong kind of value", /another prefix/, "once"],
    ["-CLUSTERDOWN The cluster is down", /cluster is down/, "once"],
    ["-ERR unknown command s3cret, with args beginning with: s3cret", /refused the command \(ERR\)/, "once"],
    ["-s3cret", /refused the command$/, "once"],
    ["nothing", /did not answer/, "again"]
  ]

  it.scopedLive.each(answers)("answers %s: a typed error that says what to do (S197)", ([reply, says, times]) =>
    Effect.gen(function* () {
      const server = yield* RespServer.start(() => reply)
      const timeLimit = times === "once" ? "20 seconds" : "300 millis"
      const store = yield* open({ url: `redis://:s3cret@127.0.0.1:${server.port}`, timeLimit })
      const error = yield* Effect.flip(store.get("me"))
      isUnavailable(error, says)
      assert.notInclude(inspect(error, { depth: 9 }) + JSON.stringify(error), "s3cret")
      if (times === "once") assert.strictEqual(server.seen.length, 1)
      else assert.isAbove(server.seen.length, 1)
    })
  )

  it.scopedLive("is waited for while it loads, moves keys or is slow, and no longer (S197)", () =>
    Effect.gen(function* () {
      const replies: ReadonlyArray<RespServer.Reply> = ["-LOADING wait", "-TRYAGAIN wait", "nothing", "$-1"]
      const server = yield* RespServer.start((_, nth) => replies[nth - 1]!)
      const store = yield* open({ url: `redis://127.0.0.1:${server.port}`, timeLimit: "4 seconds" })
      assert.isTrue(Option.isNone(yield* store.get("me")))
      assert.strictEqual(server.seen.length, 4)
    })
  )

  it.scopedLive("hangs up: the command is sent once more on another connection", () =>
    Effect.gen(function* () {
      const server = yield* RespServer.start((_, nth) => (nth === 1 ? "hang up" : "$-1"))
      const store = yield* open({ url: `redis://127.0.0.1:${server.port}` })
      assert.isTrue(Option.isNone(yield* store.get("me")))
    })
  )

  it.scopedLive("that is not there is told of without its address's password", () =>
    Effect.gen(function* () {
      const port = yield* RedisServer.freePort
      for (const url of [
        `redis://user:s3cret@127.0.0.1:${port}/0`,
        Redacted.make(`redis://:s3cret@127.0.0.1:${port}`)
      ]) {
        const store = yield* open({ url, timeLimit: 500 })
        const error = yield* Effect.flip(put(store, "me", 1))
        isUnavailable(error, /not reached/)
        assert.notInclude(inspect(error, { depth: 9 }) + JSON.stringify(error), "s3cret")
      }
    })
  )

  it.scopedLive("has options that cannot work refused before anything is sent, without quoting them", () =>
    Effect.gen(function* () {
      const url = "redis://localhost"
      const table: ReadonlyArray<readonly [Redis.Options, RegExp]> = [
        [{ url: "http://:s3cret@localhost" }, /option url must be redis:/],
        [{ url: Redacted.make("s3cret") }, /option url must be redis:/],
        [{ url: "redis:" }, /option url must be redis:/],
        [{ url, prefix: " " }, /option prefix/],
        [{ url, prefix: "a{b}" }, /option prefix/],
        [{ url, prefix: "a\r\n" }, /option prefix/],
        [{ url, lease: 1 }, /option lease/],
        [{ url, lease: Infinity }, /option lease/],
        [{ url, timeLimit: 0 }, /option timeLimit/],
        [{ url, timeToLive: 0 }, /option timeToLive/],
        [{ url, encryption: Redacted.make(new Uint8Array(16)) }, /key must be 32 bytes/]
      ]
      for (const [options, says] of table) {
        const error = yield* Effect.flip(open(options))
        assert.strictEqual(error.operation, "open")
        assert.match(error.message, says)
        assert.notInclude(error.message, "s3cret")
      }
    })
  )

  it.scopedLive("that cannot be reached keeps no watcher from being interrupted, and no scope from closing", () =>
    Effect.gen(function* () {
      const port = yield* RedisServer.freePort
      const fiber = yield* Effect.fork(
        Effect.scoped(
          Effect.flatMap(open({ url: `redis://127.0.0.1:${port}` }), (store) => Stream.runHead(store.changes("me")))
        )
      )
      yield* Effect.sleep(50)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
    })
  )
})

/** A lock that is there is checked by types too: both of ioredis's clients will do. */
const clients = (redis: IORedis, cluster: import("ioredis").Cluster): ReadonlyArray<Redis.Client> => [redis, cluster]
void clients
