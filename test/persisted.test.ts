/** Tokens that outlive their credentials: what is stored, what is never lost, and what happens if the store fails. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import * as Credentials from "../src/Credentials.ts"
import {
  RefreshError,
  type RefreshErrorReason,
  RevocationError,
  type TokenStoreError
} from "../src/CredentialsError.ts"
import * as IdToken from "../src/IdToken.ts"
import * as Provider from "../src/Provider.ts"
import * as RefreshToken from "../src/providers/RefreshToken.ts"
import * as Testing from "../src/Testing.ts"
import * as Token from "../src/Token.ts"
import * as TokenStore from "../src/TokenStore.ts"
import { counting, show } from "./support/engine.ts"
import * as FailingStore from "./support/failingStore.ts"
import * as FakeServer from "./support/FakeServer.ts"

const key = "me"
const first: Provider.Need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" }

const refused = (reason: RefreshErrorReason) => new RefreshError({ provider: "Server", reason })
const forbidden = refused({ _tag: "Interaction", kind: "Forbidden" })

const reasonOf = (exit: Exit.Exit<unknown, RefreshError>): string =>
  Exit.isFailure(exit)
    ? Option.match(Cause.failureOption(exit.cause), { onNone: () => "no failure", onSome: ({ reason }) => reason._tag })
    : "success"

interface ServerOptions {
  /** Whether the first token takes a login by a person; refresh tokens never do. */
  readonly login?: Effect.Effect<void, RefreshError>
  readonly lifetime?: number
  readonly refreshToken?: boolean
}

/** A server that rotates refresh tokens and remembers which were spent. */
const serverOf = (options: ServerOptions = {}) => {
  const self = {
    issued: 0,
    logins: 0,
    spent: [] as Array<string>,
    valid: undefined as string | undefined,
    revoked: [] as Array<string>,
    reused: 0
  }
  const issue = Effect.map(DateTime.now, (issuedAt) => {
    const n = ++self.issued
    self.valid = `r${n}`
    return Token.make({
      accessToken: Redacted.make(`t${n}`),
      issuedAt,
      expiresAt: Option.some(DateTime.add(issuedAt, { seconds: options.lifetime ?? 600 })),
      refreshToken: options.refreshToken === false ? Option.none() : Option.some(Redacted.make(`r${n}`))
    })
  })
  const provider = Provider.make({
    name: "Server",
    acquire: (need) => {
      if (options.login === undefined) return issue
      if (need.interaction === "forbidden") return forbidden
      return Effect.zipRight(Effect.sync(() => self.logins++).pipe(Effect.zipRight(options.login)), issue)
    },
    revoke: (held) => Effect.sync(() => void self.revoked.push(...held.map(show)))
  }).pipe(
    Provider.refreshable((refreshToken) =>
      Effect.suspend(() => {
        const offered = Redacted.value(refreshToken)
        self.spent.push(offered)
        if (offered === self.valid) return issue
        self.reused++
        return refused({ _tag: "Rejected", code: "invalid_grant", status: 400 })
      })
    )
  )
  return Object.assign(self, { provider })
}

const restarted = <R>(provider: Provider.Provider<R>) =>
  Effect.scoped(Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token))

describe("Provider.persisted, whose token it is", () => {
  it.scoped("what is stored is renewed, never an older refresh token from memory (S146)", () =>
    Effect.gen(function* () {
      const server = serverOf()
      const provider = Provider.persisted(server.provider, key)
      const old = yield* provider.acquire(first)
      yield* TestClock.adjust("600 seconds")
      yield* provider.acquire({ ...first, previous: Option.some(old) })
      yield* TestClock.adjust("600 seconds")
      assert.strictEqual(show(yield* provider.acquire({ ...first, previous: Option.some(old) })), "t3")
      assert.deepStrictEqual(server.spent, ["r1", "r2"])
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.effect("who is refused takes the newer token that somebody stored meanwhile, and deletes nothing (S147)", () =>
    Effect.gen(function* () {
      const store = FailingStore.make()
      const winner = Token.make({
        accessToken: Redacted.make("winner"),
        issuedAt: DateTime.unsafeMake(1),
        refreshToken: Option.some(Redacted.make("rw"))
      })
      store.poke(
        key,
        Token.make({ ...winner, accessToken: Redacted.make(""), refreshToken: Option.some(Redacted.make("r0")) })
      )
      const needs: Array<string> = []
      for (const reason of [
        { _tag: "Rejected", code: "invalid_grant", status: 400 },
        { _tag: "ReauthenticationRequired", subtype: "invalid_rapt" }
      ] as const) {
        const provider = Provider.make({
          name: "Loser",
          acquire: () =>
            Effect.suspend(() => {
              needs.push(reason._tag)
              store.poke(key, winner)
              return refused(reason)
            })
        }).pipe(Provider.persisted(key))
        store.poke(key, { ...winner, accessToken: Redacted.make(""), refreshToken: Option.some(Redacted.make("r0")) })
        assert.strictEqual(show(yield* Effect.provide(provider.acquire(first), store.layer)), "winner")
        assert.isTrue(Option.isSome(store.peek(key)))
      }
      assert.strictEqual(needs.length, 2)
    })
  )

  it.effect("a refusal that is meant is passed on, after one look, and what is stored stays", () =>
    Effect.gen(function* () {
      const store = FailingStore.make()
      const server = serverOf({ login: Effect.void })
      const stored = Token.make({
        accessToken: Redacted.make(""),
        issuedAt: DateTime.unsafeMake(0),
        refreshToken: Option.some(Redacted.make("dead"))
      })
      store.poke(key, stored)
      const provider = Provider.persisted(server.provider, key)
      const need = { ...first, interaction: "forbidden" as const }
      const exit = yield* Effect.exit(Effect.provide(provider.acquire(need), store.layer))
      assert.strictEqual(reasonOf(exit), "Interaction")
      assert.deepStrictEqual(server.spent, ["dead"])
      assert.deepStrictEqual(store.peek(key), Option.some(stored))
    })
  )

  it("other settings mean another key, so that a changed configuration starts fresh (S161)", () => {
    const base = { tokenEndpoint: "https://id.test/token", clientId: "a" }
    const make = (options: Partial<Provider.GrantOptions>, more?: Provider.EndpointOptions) =>
      Provider.fromEndpoint("P", { ...base, ...options } as Provider.GrantOptions, () => Effect.never, more)
    const verifier = IdToken.verifier({ server: "https://id.test", clientId: "a", expected: { sub: "ada" } })
    const keys = [
      make({}),
      make({ tokenEndpoint: "https://other.test/token" } as Partial<Provider.GrantOptions>),
      make({ clientId: "b" } as Partial<Provider.GrantOptions>),
      make({ scope: ["read"] }),
      make({ scope: ["read", "write"] }),
      make({ audience: "x" }),
      make({ resource: ["https://x.test"] }),
      make({ parameters: { organization: "acme" } }),
      make({ parameters: { organization: "globex" } }),
      make({}, { subject: "ada" }),
      make({}, { credential: Redacted.make("c4nary-1") }),
      make({}, { credential: Redacted.make("c4nary-2") }),
      make({}, { verifier }),
      Provider.verified(make({}), verifier)
    ].map((provider) => Option.getOrThrow(provider.key))
    assert.strictEqual(new Set(keys).size, keys.length)
    assert.notInclude(keys.join(), "c4nary")
    assert.deepStrictEqual(make({ scope: ["a", "b"] }).key, make({ scope: ["b", "a"] }).key)
    assert.deepStrictEqual(make({ parameters: { a: "1", b: "2" } }).key, make({ parameters: { b: "2", a: "1" } }).key)
    const anyone = IdToken.verifier({ server: "https://id.test", clientId: "a" })
    assert.deepStrictEqual(Provider.verified(make({}), anyone).key, make({}).key)
  })

  it.effect("a parameter that is a secret leaves no key of its own, and a layer without one is refused", () =>
    Effect.gen(function* () {
      const provider = Provider.fromEndpoint(
        "P",
        { tokenEndpoint: "https://id.test/token", clientId: "a", parameters: { pin: Redacted.make("c4nary") } },
        () => Effect.never
      )
      assert.isTrue(Option.isNone(provider.key))
      assert.strictEqual((yield* Effect.flip(Provider.persisted(provider).check)).option, "key")
      yield* Provider.persisted(provider, "mine").check
    }).pipe(Effect.provide([FakeServer.make(() => ({ status: 500 })).layer, TokenStore.layerMemory()]))
  )
})

describe("Provider.persisted without access tokens", () => {
  it.effect("stores what came with a refresh token without its access token, and every restart renews", () =>
    Effect.gen(function* () {
      const store = FailingStore.make()
      const server = serverOf()
      const whole = Provider.persisted(server.provider, { key })
      const provider = Provider.persisted(server.provider, { key, persistAccessToken: false })
      assert.strictEqual(show(yield* Effect.provide(restarted(whole), store.layer)), "t1")
      assert.strictEqual(show(Option.getOrThrow(store.peek(key))), "t1")
      assert.strictEqual(show(yield* Effect.provide(restarted(provider), store.layer)), "t1")
      assert.strictEqual(show(Option.getOrThrow(store.peek(key))), "")
      assert.strictEqual(show(yield* Effect.provide(restarted(provider), store.layer)), "t2")
      assert.strictEqual(show(Option.getOrThrow(store.peek(key))), "")
      assert.deepStrictEqual(server.spent, ["r1"])
    })
  )

  it.effect("stores nothing of a token that has no refresh token, and removes the one that was there", () =>
    Effect.gen(function* () {
      const store = FailingStore.make()
      const server = serverOf({ refreshToken: false, lifetime: 60 })
      yield* Effect.provide(restarted(Provider.persisted(server.provider, key)), store.layer)
      yield* TestClock.adjust("1 minute")
      const provider = Provider.persisted(server.provider, { key, persistAccessToken: false })
      assert.strictEqual(show(yield* Effect.provide(restarted(provider), store.layer)), "t2")
      assert.isTrue(Option.isNone(store.peek(key)))
    })
  )
})

describe("Provider.persisted and a person", () => {
  const terminal = (server: ReturnType<typeof serverOf>, where = key) =>
    Credentials.make(Provider.persisted(server.provider, where))

  it.scoped("nobody holds the lock while a person is asked", () =>
    Effect.gen(function* () {
      const server = serverOf({ login: Effect.never })
      const credentials = yield* terminal(server)
      yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(server.logins, 1)
      const store = yield* TokenStore.TokenStore
      const free = yield* Effect.fork(store.transaction(key, Effect.succeed))
      yield* TestClock.adjust("1 second")
      assert.isNotNull(free.unsafePoll())
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("two terminals, one login: the token that the one stores ends the login of the other", () =>
    Effect.gen(function* () {
      const person = yield* Deferred.make<void>()
      let asked = 0
      const server = serverOf({ login: Effect.suspend(() => (++asked === 1 ? Deferred.await(person) : Effect.never)) })
      const [one, other] = yield* Effect.all([terminal(server), terminal(server)])
      const callers = yield* Effect.fork(Effect.all([one.token, other.token], { concurrency: 2 }))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(asked, 2)
      yield* Deferred.succeed(person, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* Fiber.join(callers)).map(show), ["t1", "t1"])
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("a login under another key changes nothing", () =>
    Effect.gen(function* () {
      const server = serverOf({ login: Effect.never })
      const waiting = yield* Effect.flatMap(terminal(server), ({ token }) => Effect.fork(token))
      yield* TestClock.adjust("5 seconds")
      yield* Effect.flatMap(terminal(serverOf(), "other"), ({ token }) => token)
      yield* TestClock.adjust("5 seconds")
      assert.isNull(waiting.unsafePoll())
      yield* Fiber.interruptFork(waiting)
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("after a dead refresh token a person is asked, and no refresh token is spent without the lock", () =>
    Effect.gen(function* () {
      const server = serverOf({ login: Effect.void })
      const credentials = yield* terminal(server)
      yield* credentials.token
      server.valid = undefined
      yield* TestClock.adjust("600 seconds")
      assert.strictEqual(show(yield* credentials.token), "t2")
      assert.deepStrictEqual([server.spent, server.logins], [["r1"], 2])
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )
})

describe("Provider.persisted when the store fails", () => {
  const logged = () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${String(message)}`))
    return { lines, layer: Logger.replace(Logger.defaultLogger, logger) }
  }

  it.scoped("a rotated refresh token that cannot be stored is used, told of, tried again and stored (S150)", () => {
    const store = FailingStore.make()
    const { layer, lines } = logged()
    return Effect.gen(function* () {
      const server = serverOf()
      const credentials = yield* Credentials.make(Provider.persisted(server.provider, key))
      yield* credentials.token
      yield* TestClock.adjust("600 seconds")
      store.writing = "Unavailable"
      assert.strictEqual(show(yield* credentials.token), "t2")
      assert.strictEqual(show(Option.getOrThrow(store.peek(key))), "t1")
      assert.isTrue(
        lines.some((line) => line.startsWith("ERROR") && line.includes("Unavailable")),
        lines.join("\n")
      )
      yield* TestClock.adjust("600 seconds")
      assert.strictEqual(show(yield* credentials.token), "t3")
      const before = store.writes()
      yield* TestClock.adjust("10 minutes")
      assert.isBelow(store.writes() - before, 20, "it is not tried without a pause")
      store.writing = undefined
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(
        Option.map(store.peek(key), (token) => Number(show(token).slice(1)) >= 3).pipe(Option.getOrNull),
        true
      )
      assert.strictEqual(server.reused, 0)
      assert.notInclude(lines.join(), "r2")
    }).pipe(Effect.provide(Layer.merge(store.layer, layer)))
  })

  it.effect.each([
    { what: "could be had again", rotates: false, reading: false, level: "WARN" },
    { what: "came with a refresh token", rotates: true, reading: false, level: "ERROR" },
    { what: "could be had again, in a store that cannot even be read", rotates: false, reading: true, level: "WARN" }
  ])(
    "a store that stays broken is told of once, while a token waits for it that $what",
    ({ level, reading, rotates }) => {
      const store = FailingStore.make()
      const { layer, lines } = logged()
      return Effect.gen(function* () {
        const spoil = (reason: TokenStoreError["reason"]) => {
          store.writing = reason
          if (reading) store.reading = reason
        }
        spoil("Permissions")
        const counted = counting({ rotates, lifetime: 600 })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(Provider.persisted(counted.provider, key))
            for (let hour = 0; hour < 6; hour++) {
              yield* credentials.token
              yield* TestClock.adjust("10 minutes")
            }
            assert.strictEqual(lines.length, 1, lines.join("\n"))
            assert.match(lines[0]!, new RegExp(`^${level} .*Permissions`))
            spoil("Unavailable")
            yield* TestClock.adjust("1 hour")
            assert.strictEqual(lines.length, 2, lines.join("\n"))
            assert.match(lines[1]!, new RegExp(`^${level} .*Unavailable`))
            lines.length = 0
          })
        )
        // The last words are for what is lost.
        assert.deepStrictEqual(
          lines.map((line) => line.replace(/:.*;/, ":")),
          rotates ? ["ERROR token store, transaction of me: the token is lost with this program"] : []
        )
      }).pipe(Effect.provide(Layer.merge(store.layer, layer)))
    }
  )

  it.scoped("a store that breaks again is told of again", () => {
    const store = FailingStore.make()
    const { layer, lines } = logged()
    return Effect.gen(function* () {
      const credentials = yield* Credentials.make(Provider.persisted(counting({ lifetime: 600 }).provider, key))
      for (const times of [1, 2]) {
        store.writing = "Unavailable"
        yield* credentials.token
        assert.strictEqual(lines.length, times, lines.join("\n"))
        store.writing = undefined
        yield* TestClock.adjust("10 minutes")
        assert.isTrue(Option.isSome(store.peek(key)))
      }
    }).pipe(Effect.provide(Layer.merge(store.layer, layer)))
  })

  it.scoped("PersistFailed is an event", () => {
    const store = FailingStore.make()
    return Effect.gen(function* () {
      const credentials = yield* Credentials.make(Provider.persisted(serverOf().provider, key))
      const event = yield* Effect.fork(
        Stream.runHead(Stream.filter(credentials.events, ({ _tag }) => _tag === "PersistFailed"))
      )
      yield* TestClock.adjust(0)
      store.writing = "Permissions"
      yield* credentials.token
      const told = Option.getOrThrow(yield* Fiber.join(event))
      assert.strictEqual(told._tag === "PersistFailed" ? told.error.reason : "", "Permissions")
    }).pipe(Effect.provide(store.layer))
  })

  it.effect("what could not be stored is stored when the layer closes, if that is possible by then", () => {
    const store = FailingStore.make()
    return Effect.gen(function* () {
      store.writing = "Unavailable"
      yield* Effect.scoped(
        Effect.gen(function* () {
          const credentials = yield* Credentials.make(Provider.persisted(serverOf().provider, key))
          yield* credentials.token
          store.writing = undefined
        })
      )
      assert.strictEqual(Option.map(store.peek(key), show).pipe(Option.getOrNull), "t1")
    }).pipe(Effect.provide(store.layer))
  })

  it.scoped("what was forgotten is not stored any more", () => {
    const store = FailingStore.make()
    return Effect.gen(function* () {
      const credentials = yield* Credentials.make(Provider.persisted(serverOf().provider, key))
      store.writing = "Unavailable"
      yield* credentials.token
      store.writing = undefined
      yield* credentials.forget
      yield* TestClock.adjust("5 minutes")
      assert.isTrue(Option.isNone(store.peek(key)))
    }).pipe(Effect.provide(store.layer))
  })

  it.effect("storing what was forgotten, which waited for its turn, stores nothing", () => {
    const store = FailingStore.make()
    return Effect.gen(function* () {
      store.writing = "Unavailable"
      const backlog: Provider.Backlog = {}
      yield* Provider.persisted(serverOf().provider, key).acquire({ ...first, backlog })
      const { save } = backlog.unsaved!
      store.writing = undefined
      backlog.unsaved = undefined
      yield* save
      assert.isTrue(Option.isNone(store.peek(key)))
    }).pipe(Effect.provide(store.layer))
  })

  it.scoped("what somebody else stored after the failure is not overwritten by an older token", () => {
    const store = FailingStore.make()
    return Effect.gen(function* () {
      const credentials = yield* Credentials.make(Provider.persisted(serverOf().provider, key))
      yield* credentials.token
      yield* TestClock.adjust("600 seconds")
      store.writing = "Unavailable"
      yield* credentials.token
      store.poke(
        key,
        Token.make({
          accessToken: Redacted.make("newer"),
          issuedAt: DateTime.addDuration(yield* DateTime.now, "1 second")
        })
      )
      store.writing = undefined
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(Option.map(store.peek(key), show).pipe(Option.getOrNull), "newer")
    }).pipe(Effect.provide(store.layer))
  })

  it.scoped("a first token is obtained without the store, with one warning (S168)", () => {
    const store = FailingStore.make()
    const { layer, lines } = logged()
    return Effect.gen(function* () {
      for (const reason of ["Unavailable", "Permissions", "Corrupt", "NewerVersion"] as const) {
        store.reading = reason
        const server = serverOf({ login: Effect.void, lifetime: 60 })
        const credentials = yield* Credentials.make(Provider.persisted(server.provider, reason))
        assert.strictEqual(show(yield* credentials.token), "t1")
        yield* TestClock.adjust("1 minute")
        // Nobody else can have this refresh token.
        assert.strictEqual(show(yield* credentials.token), "t2")
        assert.deepStrictEqual(server.spent, ["r1"])
        assert.strictEqual(lines.filter((line) => line.startsWith("WARN") && line.includes("going on")).length, 1)
        lines.length = 0
      }
    }).pipe(Effect.provide(Layer.merge(store.layer, layer)))
  })

  it.scoped("a refresh token that others may have spent is not spent without the lock (S156)", () => {
    const store = FailingStore.make()
    return Effect.gen(function* () {
      for (const reason of ["Unavailable", "LockTimeout"] as const) {
        store.reading = undefined
        const server = serverOf()
        const credentials = yield* Credentials.make(Provider.persisted(server.provider, reason))
        yield* credentials.token
        store.reading = reason
        yield* TestClock.adjust("590 seconds")
        assert.strictEqual(show(yield* credentials.token), "t1", "what is valid is used")
        yield* TestClock.adjust("10 seconds")
        const exit = yield* Effect.exit(credentials.token)
        assert.strictEqual(reasonOf(exit), "Store")
        assert.deepStrictEqual(server.spent, [])
        store.reading = undefined
        const later = yield* Effect.fork(credentials.token)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(show(yield* Fiber.join(later)), "t2")
      }
    }).pipe(Effect.provide(store.layer))
  })

  it.scoped("what was spoiled is replaced by what is held, and the login goes on (S167)", () => {
    const store = FailingStore.make()
    return Effect.gen(function* () {
      const server = serverOf()
      const credentials = yield* Credentials.make(Provider.persisted(server.provider, key))
      yield* credentials.token
      yield* TestClock.adjust("590 seconds")
      // The first who reads it finds out, and sets it aside.
      store.reading = "Corrupt"
      yield* credentials.maintain
      store.reading = undefined
      store.wipe(key)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(show(yield* credentials.token), "t2")
      assert.deepStrictEqual(server.spent, ["r1"])
      assert.strictEqual(Option.map(store.peek(key), show).pipe(Option.getOrNull), "t2")
    }).pipe(Effect.provide(store.layer))
  })

  it.effect("nothing is obtained without the lock while somebody else has it", () => {
    const store = FailingStore.make()
    return Effect.gen(function* () {
      store.reading = "LockTimeout"
      const server = serverOf()
      const exit = yield* Effect.exit(Provider.persisted(server.provider, key).acquire(first))
      assert.strictEqual(reasonOf(exit), "Store")
      assert.strictEqual(server.issued, 0)
    }).pipe(Effect.provide(store.layer))
  })

  it.scoped("on request a failing store fails, and still no refresh token is lost", () => {
    const store = FailingStore.make()
    return Effect.gen(function* () {
      const server = serverOf()
      const credentials = yield* Credentials.make(Provider.persisted(server.provider, { key, onStoreFailure: "fail" }))
      yield* credentials.token
      yield* TestClock.adjust("600 seconds")
      store.writing = "Unavailable"
      assert.strictEqual(reasonOf(yield* Effect.exit(credentials.token)), "Store")
      store.writing = undefined
      const later = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(show(yield* Fiber.join(later)), "t2")
      assert.strictEqual(Option.map(store.peek(key), show).pipe(Option.getOrNull), "t2")
      assert.strictEqual(server.reused, 0)
    }).pipe(Effect.provide(store.layer))
  })
})

describe("the end of persisted credentials", () => {
  it.scoped("after a logout elsewhere the next need is a typed failure, and nothing is stored again (S311)", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ lifetime: "5 minutes" })
      const login = yield* server.login({ clientId: "me" })
      const provider = RefreshToken.make({
        server: AuthorizationServer.discover(server.issuer),
        clientId: "me",
        refreshToken: Option.getOrThrow(login.refreshToken)
      }).pipe(Provider.persisted(key))
      yield* Effect.gen(function* () {
        const store = yield* TokenStore.TokenStore
        const [here, elsewhere] = yield* Effect.all([Credentials.make(provider), Credentials.make(provider)])
        const token = yield* here.token
        assert.isTrue(Token.isSame(token, yield* elsewhere.token))
        yield* elsewhere.revoke
        assert.deepStrictEqual(yield* store.list, [])
        // Where the API refuses the token that is held, and where that has expired.
        const refused = yield* Effect.flip(here.renew(token))
        assert.deepInclude(refused.reason, { _tag: "Rejected", code: "invalid_grant" })
        assert.isFalse(refused.isRetryable)
        yield* TestClock.adjust("1 hour")
        const expired = yield* Effect.flip(here.token)
        assert.deepInclude(expired.reason, { _tag: "Rejected", code: "invalid_grant" })
        assert.deepStrictEqual(yield* store.list, [])
      }).pipe(Effect.provide([server.layer, TokenStore.layerMemory()]))
    })
  )

  it.scoped.each(["revoke", "forget"] as const)(
    "%s elsewhere is not undone by whoever still holds the token: its refresh token is spent by nobody (S311)",
    (how) =>
      Effect.gen(function* () {
        const store = yield* TokenStore.TokenStore
        const spent: Array<string> = []
        const provider = Provider.make({
          name: "Login",
          acquire: ({ interaction, previous }) =>
            Effect.gen(function* () {
              const refreshToken = Option.flatMap(previous, (token) => token.refreshToken)
              if (Option.isNone(refreshToken) && interaction === "forbidden") return yield* forbidden
              spent.push(Option.match(refreshToken, { onNone: () => "a login", onSome: Redacted.value }))
              return Token.make({
                accessToken: Redacted.make(`a${spent.length}`),
                refreshToken: Option.some(Redacted.make(`r${spent.length}`)),
                issuedAt: yield* DateTime.now,
                expiresAt: Option.some(DateTime.addDuration(yield* DateTime.now, "5 minutes"))
              })
            })
        }).pipe(Provider.persisted(key))
        const [here, elsewhere] = yield* Effect.all([Credentials.make(provider), Credentials.make(provider)])
        yield* here.token
        yield* elsewhere.token
        yield* elsewhere[how]
        yield* TestClock.adjust("295 seconds")
        yield* here.maintain
        assert.deepStrictEqual(yield* store.list, [])
        assert.deepStrictEqual(spent, ["a login"])
        // Only a person can bring it back.
        yield* TestClock.adjust("1 hour")
        yield* here.token
        assert.deepStrictEqual(spent, ["a login", "a login"])
      }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.effect("a provider that does not say what it sends has some time to bring its refresh token (S109)", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const store = yield* TokenStore.TokenStore
      const counted = counting({ lifetime: 600, takes: "1 second", rotates: true })
      const credentials = yield* Scope.extend(Credentials.make(Provider.persisted(counted.provider, key)), scope)
      const begin = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 second")
      yield* Effect.fork(Effect.flatMap(Fiber.join(begin), credentials.renew))
      yield* TestClock.adjust("100 millis")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      assert.strictEqual(counted.aborted(), 0)
      assert.strictEqual(Option.map(yield* store.get(key), show).pipe(Option.getOrNull), "t2")
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("a fresh process revokes what is stored, and removes it", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const server = serverOf()
      const provider = Provider.persisted(server.provider, key)
      yield* restarted(provider)
      const credentials = yield* Credentials.make(provider)
      yield* credentials.revoke
      assert.deepStrictEqual(server.revoked, ["t1"])
      assert.deepStrictEqual(yield* store.list, [])
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  const unrevocable = (options?: Provider.PersistedOptions) =>
    Provider.persisted(
      {
        ...counting({ lifetime: 600 }).provider,
        revoke: () => new RevocationError({ provider: "Counting", reason: { _tag: "Unavailable", status: 503 } })
      },
      { key, ...options }
    )

  it.scoped("a revocation that failed is reported, and the token is gone all the same", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const credentials = yield* Credentials.make(unrevocable())
      yield* credentials.token
      assert.strictEqual((yield* Effect.flip(credentials.revoke))._tag, "RevocationError")
      assert.deepStrictEqual(yield* store.list, [])
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("on request it stays, so that it can be revoked later", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const credentials = yield* Credentials.make(unrevocable({ keepUnrevoked: true }))
      yield* credentials.token
      assert.strictEqual((yield* Effect.flip(credentials.revoke))._tag, "RevocationError")
      assert.deepStrictEqual(yield* store.list, [key])
      assert.isTrue(Option.isNone(yield* credentials.current))
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("a store that fails does not keep the server from being told", () => {
    const store = FailingStore.make()
    return Effect.gen(function* () {
      const server = serverOf()
      const credentials = yield* Credentials.make(Provider.persisted(server.provider, key))
      yield* credentials.token
      store.reading = "LockTimeout"
      assert.strictEqual((yield* Effect.flip(credentials.revoke))._tag, "TokenStoreError")
      assert.deepStrictEqual(server.revoked, ["t1"])
    }).pipe(Effect.provide(store.layer))
  })

  it.scoped("a logout that is interrupted while the server is told removes what is stored", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const provider = Provider.persisted({ ...serverOf().provider, revoke: () => Effect.never }, key)
      const credentials = yield* Credentials.make(provider)
      yield* credentials.token
      const revoking = yield* Effect.fork(credentials.revoke)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(revoking)
      assert.deepStrictEqual(yield* store.list, [])
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )
})

describe("Provider.persisted and a token endpoint", () => {
  /** A token endpoint that says when it has a request, and answers when it is told to. */
  const endpoint = Effect.gen(function* () {
    const received = yield* Deferred.make<void>()
    const answer = yield* Deferred.make<void>()
    let requests = 0
    const client = HttpClient.make((request) =>
      Effect.gen(function* () {
        requests++
        yield* Deferred.succeed(received, undefined)
        yield* Deferred.await(answer)
        return HttpClientResponse.fromWeb(
          request,
          Response.json({ access_token: "t1", token_type: "Bearer", expires_in: 600, refresh_token: "r1" })
        )
      })
    )
    return { received, answer, requests: () => requests, layer: Layer.succeed(HttpClient.HttpClient, client) }
  })
  const provider = RefreshToken.make({ tokenEndpoint: "https://id.test/token", clientId: "me", refreshToken: "r0" })
  const kept = (store: FailingStore.FailingStore) =>
    Option.flatMap(store.peek(key), ({ refreshToken }) => refreshToken).pipe(
      Option.map(Redacted.value),
      Option.getOrNull
    )

  it.effect("who interrupts after the request was sent waits for the answer and for it to be stored (S151)", () =>
    Effect.gen(function* () {
      const store = FailingStore.make()
      const server = yield* endpoint
      const running = yield* Effect.fork(
        Effect.provide(Provider.persisted(provider, key).acquire(first), Layer.merge(server.layer, store.layer))
      )
      yield* Deferred.await(server.received)
      const interrupting = yield* Effect.fork(Fiber.interrupt(running))
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      assert.isNull(interrupting.unsafePoll())
      yield* Deferred.succeed(server.answer, undefined)
      yield* Fiber.join(interrupting)
      assert.strictEqual(kept(store), "r1")
    })
  )

  it.effect("an answer that comes after the time limit is used, and callers do not fail (S121)", () =>
    Effect.gen(function* () {
      const server = yield* endpoint
      const limited = Provider.make({ ...provider, timeLimit: Duration.seconds(1) })
      const token = yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(limited)
        const caller = yield* Effect.fork(credentials.token)
        yield* Deferred.await(server.received)
        yield* TestClock.adjust("2 seconds")
        yield* Deferred.succeed(server.answer, undefined)
        return yield* Fiber.join(caller)
      }).pipe(Effect.scoped, Effect.provide(server.layer))
      assert.strictEqual(show(token), "t1")
    })
  )

  it.effect("an attempt that is never answered ends at its own time limit, and is ambiguous", () =>
    Effect.gen(function* () {
      const server = yield* endpoint
      const limited = Provider.make({ ...provider, timeLimit: Duration.seconds(1) })
      const exit = yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(limited)
        const caller = yield* Effect.fork(Effect.exit(credentials.token))
        yield* Deferred.await(server.received)
        yield* TestClock.adjust("11 seconds")
        return yield* Fiber.join(caller)
      }).pipe(Effect.scoped, Effect.provide(server.layer))
      assert.strictEqual(reasonOf(exit), "Ambiguous")
    })
  )

  it.effect(
    "a refresh token from the options is not sent while the store cannot be read: it may have been rotated",
    () =>
      Effect.gen(function* () {
        const store = FailingStore.make()
        store.reading = "Unavailable"
        const server = yield* endpoint
        const exit = yield* Effect.exit(
          Effect.provide(Provider.persisted(provider, key).acquire(first), Layer.merge(server.layer, store.layer))
        )
        assert.strictEqual(reasonOf(exit), "Store")
        assert.strictEqual(server.requests(), 0)
      })
  )

  it.effect("each refresh token and each access token is revoked once, the refresh tokens first", () =>
    Effect.gen(function* () {
      const sent: Array<string> = []
      const client = HttpClient.make((request) =>
        Effect.sync(() => {
          const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
          sent.push(new URLSearchParams(body).get("token") ?? "")
          return HttpClientResponse.fromWeb(request, new Response(null, { status: sent.length === 1 ? 400 : 200 }))
        })
      )
      const server = AuthorizationServer.make({
        token_endpoint: "https://id.test/token",
        revocation_endpoint: "https://id.test/revoke"
      })
      const revoking = RefreshToken.make({ server, clientId: "me", refreshToken: "r0" })
      const issuedAt = DateTime.unsafeMake(0)
      const token = (n: number) =>
        Token.make({
          accessToken: Redacted.make(`t${n}`),
          issuedAt,
          refreshToken: Option.some(Redacted.make("r"))
        })
      const withoutAccess = { ...token(0), accessToken: Redacted.make("") }
      const exit = yield* Effect.exit(
        Effect.provideService(
          revoking.revoke([token(1), token(2), token(2), withoutAccess]),
          HttpClient.HttpClient,
          client
        )
      )
      assert.deepStrictEqual(sent, ["r", "t1", "t2"])
      assert.isTrue(Exit.isFailure(exit))
    })
  )
})
