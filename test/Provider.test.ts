import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../src/Credentials.ts"
import { RefreshError, RevocationError, type RefreshErrorReason } from "../src/CredentialsError.ts"
import * as Provider from "../src/Provider.ts"
import * as Sources from "../src/Sources.ts"
import * as Token from "../src/Token.ts"
import * as TokenStore from "../src/TokenStore.ts"
import { counting, show } from "./support/engine.ts"

const first: Provider.Need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" }
const fail = (reason: RefreshErrorReason) => new RefreshError({ provider: "Test", reason })
const rejected = (code: string) => fail({ _tag: "Rejected", code, status: 400 })

const token = (value: string, more: Partial<Token.Token> = {}) =>
  Token.make({ accessToken: Redacted.make(value), issuedAt: DateTime.unsafeMake(0), ...more })

const environment = (variables: Record<string, string>) => ConfigProvider.fromMap(new Map(Object.entries(variables)))

describe("Provider.refreshable", () => {
  const login = counting({ rotates: true })
  const held = token("held", { refreshToken: Option.some(Redacted.make("r1")) })
  const renewal = { ...first, previous: Option.some(held) }

  it.effect("spends the refresh token where there is one, and asks for the grant where there is none", () =>
    Effect.gen(function* () {
      const spent: Array<string> = []
      const provider = Provider.refreshable(login.provider, (refreshToken) =>
        Effect.sync(() => {
          spent.push(Redacted.value(refreshToken))
          return token("renewed")
        })
      )
      assert.match(show(yield* provider.acquire(first)), /^t\d+$/)
      assert.match(
        show(yield* provider.acquire({ ...first, previous: Option.some(token("no refresh token")) })),
        /^t\d+$/
      )
      assert.strictEqual(show(yield* provider.acquire(renewal)), "renewed")
      assert.deepStrictEqual(spent, ["r1"])
    })
  )

  it.effect("goes back to the grant on invalid_grant, which sees what was held but for the refresh token", () =>
    Effect.gen(function* () {
      const counted = counting()
      const provider = Provider.refreshable(counted.provider, () => rejected("invalid_grant"))
      assert.strictEqual(show(yield* provider.acquire(renewal)), "t1")
      const { previous } = counted.needs[0]!
      assert.strictEqual(Option.map(previous, show).pipe(Option.getOrNull), show(held))
      assert.isTrue(Option.isNone(Option.flatMap(previous, ({ refreshToken }) => refreshToken)))
    })
  )

  it.effect("goes back to the grant on nothing else", () =>
    Effect.gen(function* () {
      const reasons: ReadonlyArray<RefreshError> = [
        rejected("invalid_client"),
        fail({ _tag: "Unavailable", status: 503 }),
        fail({ _tag: "Transport", description: "refused" }),
        fail({ _tag: "Ambiguous", description: "lost" }),
        fail({ _tag: "Timeout", after: Duration.seconds(1) })
      ]
      for (const reason of reasons) {
        const counted = counting()
        const exit = yield* Effect.exit(Provider.refreshable(counted.provider, () => reason).acquire(renewal))
        assert.deepStrictEqual(exit, Exit.fail(reason))
        assert.strictEqual(counted.needs.length, 0)
      }
    })
  )

  it.effect("keeps whether a person may be asked", () =>
    Effect.gen(function* () {
      const counted = counting()
      yield* Provider.refreshable(counted.provider, () => rejected("invalid_grant")).acquire({
        ...renewal,
        interaction: "forbidden"
      })
      assert.strictEqual(counted.needs[0]!.interaction, "forbidden")
    })
  )
})

describe("Provider.retry", () => {
  it.effect("tries again what may help, as the schedule says", () =>
    Effect.gen(function* () {
      const counted = counting()
      counted.script.push({ _tag: "Unavailable", status: 503 }, { _tag: "Transport", description: "reset" })
      const provider = Provider.retry(counted.provider, Schedule.spaced("1 second"))
      const running = yield* Effect.fork(provider.acquire(first))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(show(yield* Fiber.join(running)), "t3")
    })
  )

  it.effect("does not try again what was refused or may have been spent", () =>
    Effect.gen(function* () {
      for (const reason of [
        rejected("invalid_grant").reason,
        fail({ _tag: "Ambiguous", description: "lost" }).reason
      ]) {
        const counted = counting()
        counted.always = reason
        yield* Effect.exit(Provider.retry(counted.provider, Schedule.recurs(5)).acquire(first))
        assert.strictEqual(counted.needs.length, 1)
      }
    })
  )
})

describe("Provider.orElse", () => {
  it.effect("asks the other provider after a refusal, with the same need", () =>
    Effect.gen(function* () {
      const self = counting()
      const that = counting()
      self.always = { _tag: "ReauthenticationRequired", subtype: "invalid_rapt" }
      const need = { ...first, interaction: "forbidden" as const }
      assert.strictEqual(show(yield* Provider.orElse(self.provider, that.provider).acquire(need)), "t1")
      assert.deepStrictEqual(that.needs, [need])
    })
  )

  it.effect("what another fallback has left in the store is shown to neither (S161)", () =>
    Effect.gen(function* () {
      const [self, old, fresh] = [counting(), counting({ rotates: true, lifetime: 600 }), counting()]
      self.always = { _tag: "ReauthenticationRequired", subtype: "invalid_rapt" }
      const start = (that: typeof old, key: string) =>
        Provider.orElse(self.provider, Provider.make({ ...that.provider, key: Option.some(key) })).pipe(
          Provider.persisted("both"),
          Credentials.make,
          Effect.flatMap(({ token }) => token),
          Effect.scoped
        )
      yield* start(old, "old")
      yield* TestClock.adjust("1 hour")
      yield* start(fresh, "fresh")
      const offered = [...self.needs, ...fresh.needs].flatMap(({ previous }) => Option.toArray(previous))
      assert.deepStrictEqual(
        offered.filter(({ refreshToken }) => Option.isSome(refreshToken)),
        []
      )
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  const loggedIn = (user: string) => {
    const { needs, provider } = counting({ rotates: true })
    const revoked: Array<string> = []
    return {
      needs,
      revoked,
      provider: Provider.make({
        ...provider,
        name: user,
        revoke: (held) => Effect.sync(() => void revoked.push(...held.map(show))),
        acquire: (need) =>
          Effect.map(provider.acquire(need), (token) => ({
            ...token,
            accessToken: Redacted.make(`${user}-${show(token)}`)
          }))
      })
    }
  }

  it.scoped.each([false, true])(
    "does not become somebody else in the background, where nobody was refused: persisted %s",
    (isPersisted) =>
      Effect.gen(function* () {
        const until = (issuedAt: DateTime.Utc) => Option.some(DateTime.addDuration(issuedAt, "10 minutes"))
        const asked: Array<string> = []
        const person = Provider.make({
          name: "Person",
          acquire: ({ interaction }) =>
            Effect.flatMap(DateTime.now, (issuedAt) => {
              asked.push(interaction)
              return interaction === "forbidden"
                ? fail({ _tag: "Interaction", kind: "Forbidden" })
                : Effect.succeed(token(`ada-${asked.length}`, { issuedAt, expiresAt: until(issuedAt) }))
            })
        })
        const robot = counting({ lifetime: 600 })
        const both = Provider.orElse(person, robot.provider)
        const credentials = yield* Credentials.make(
          isPersisted ? Provider.persisted(both, "both") : (both as Provider.Provider<TokenStore.TokenStore>)
        )
        const first = yield* credentials.token
        assert.match(show(first), /^ada/)
        yield* TestClock.adjust("595 seconds")
        yield* credentials.maintain
        assert.strictEqual(asked.at(-1), "forbidden")
        assert.strictEqual(show(yield* credentials.token), show(first))
        yield* TestClock.adjust("10 seconds")
        assert.match(show(yield* credentials.token), /^ada/)
        assert.strictEqual(robot.needs.length, 0)
      }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("shows no server the tokens of the other one, not even after a restart", () =>
    Effect.gen(function* () {
      const ada = loggedIn("ada")
      const grace = loggedIn("grace")
      let refuses = false
      const self = Provider.make({
        ...ada.provider,
        acquire: (need) => Effect.zipLeft(ada.provider.acquire(need), refuses ? rejected("invalid_grant") : Effect.void)
      })
      const provider = Provider.orElse(self, grace.provider).pipe(Provider.persisted("both"))
      const restarted = Effect.flatMap(Credentials.make(provider), (credentials) =>
        Effect.tap(credentials.token, (token) => credentials.renew(token))
      )
      yield* restarted
      refuses = true
      yield* restarted
      refuses = false
      const last = yield* Effect.tap(Credentials.make(provider), (credentials) =>
        Effect.flatMap(credentials.token, credentials.renew)
      )
      const offered = (needs: ReadonlyArray<Provider.Need>) =>
        Array.from(
          new Set(needs.flatMap(({ previous }) => Option.toArray(previous)).map((token) => show(token).split("-")[0]))
        )
      assert.deepStrictEqual(offered(ada.needs), ["ada"])
      assert.deepStrictEqual(offered(grace.needs), ["grace"])
      yield* last.revoke
      assert.deepStrictEqual(ada.revoked, [])
      assert.match(grace.revoked.join(), /^grace-t\d+(,grace-t\d+)?$/)
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("shows no server the tokens of another one, of however many there are and however they stand", () =>
    Effect.gen(function* () {
      const refusing = (name: string) => {
        const offered: Array<string> = []
        const acquire = ({ previous }: Provider.Need) => {
          offered.push(...Option.toArray(previous).map(show))
          return rejected("invalid_client")
        }
        return { offered, provider: Provider.make({ name, acquire }) }
      }
      for (const nested of [true, false]) {
        const [a, b, c] = [refusing("a"), refusing("b"), loggedIn("c")]
        const provider = nested
          ? Provider.orElse(a.provider, Provider.orElse(b.provider, c.provider))
          : Provider.orElse(Provider.orElse(a.provider, b.provider), c.provider)
        const credentials = yield* Credentials.make(provider)
        const renewed = yield* Effect.flatMap(credentials.token, credentials.renew)
        assert.match(show(renewed), /^c-/)
        assert.deepStrictEqual([a.offered, b.offered], [[], []])
        assert.deepStrictEqual(
          c.needs.map(({ previous }) => Option.isSome(previous)),
          [false, true]
        )
      }
    })
  )

  it.scoped("what others stored of it is its own too", () =>
    Effect.gen(function* () {
      const [self, that] = [counting(), loggedIn("that")]
      self.always = { _tag: "Rejected", code: "invalid_client", status: 401 }
      const stored = yield* Deferred.make<Token.Token>()
      const other = Provider.make({ ...that.provider, updates: Stream.fromEffect(Deferred.await(stored)) })
      const credentials = yield* Credentials.make(Provider.orElse(self.provider, other))
      const issuedAt = DateTime.add((yield* credentials.token).issuedAt, { seconds: 1 })
      yield* Deferred.succeed(stored, token("stored", { issuedAt }))
      yield* TestClock.adjust(0)
      const held = yield* credentials.token
      assert.strictEqual(show(held), "stored")
      yield* Effect.exit(credentials.renew(held))
      assert.isTrue(self.needs.every(({ previous }) => Option.isNone(previous)))
      assert.strictEqual(show(Option.getOrThrow(that.needs.at(-1)!.previous)), "stored")
    })
  )

  it.effect("does not ask it because of an outage or an ambiguity", () =>
    Effect.gen(function* () {
      for (const reason of [
        { _tag: "Unavailable", status: 500 },
        { _tag: "Ambiguous", description: "lost" }
      ] as const) {
        const self = counting()
        const that = counting()
        self.always = reason
        yield* Effect.exit(Provider.orElse(self.provider, that.provider).acquire(first))
        assert.strictEqual(that.needs.length, 0)
      }
    })
  )
})

describe("Provider.orElse at the end", () => {
  it.effect("what the other provider keeps is revoked and removed too, even if the first one fails", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const told: Array<string> = []
      const other = Provider.make({
        ...counting().provider,
        revoke: (held) => Effect.sync(() => void told.push(...held.map(show)))
      })
      const one = Provider.make({
        ...counting().provider,
        revoke: () => new RevocationError({ provider: "One", reason: { _tag: "Unavailable", status: 503 } })
      })
      yield* store.transaction("other", () => Effect.succeedSome(token("kept")))
      const both = Provider.orElse(Provider.persisted(one, "one"), Provider.persisted(other, "other"))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(both.revoke([token("held")]))))
      assert.deepStrictEqual([told, yield* store.list], [["kept"], []])
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )
})

describe("Provider.persisted", () => {
  const restarted = (provider: Provider.Provider<TokenStore.TokenStore>) =>
    Effect.scoped(Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token))

  it.effect("finds the token again after a restart", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 600 })
      const provider = Provider.persisted(counted.provider, "me")
      assert.strictEqual(show(yield* restarted(provider)), "t1")
      assert.strictEqual(show(yield* restarted(provider)), "t1")
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(show(yield* restarted(provider)), "t2")
      assert.strictEqual(Option.map(counted.needs[1]!.previous, show).pipe(Option.getOrNull), "t1")
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("those who share a store renew once: the loser takes the winner's token (S146)", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 600, takes: "1 second", rotates: true })
      const provider = Provider.persisted(counted.provider, "me")
      const all = yield* Effect.all(Array.from({ length: 8 }, () => Credentials.make(provider)))
      for (const round of [1, 2, 3]) {
        const tokens = yield* Effect.fork(
          Effect.all(
            all.map((credentials) => credentials.token),
            { concurrency: "unbounded" }
          )
        )
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(new Set((yield* Fiber.join(tokens)).map(show)), new Set([`t${round}`]))
        yield* TestClock.adjust("600 seconds")
      }
      assert.deepStrictEqual(
        counted.needs.map((need) => Option.map(need.previous, show).pipe(Option.getOrNull)),
        [null, "t1", "t2"]
      )
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("a token is stored before anybody sees it (S148)", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const credentials = yield* Credentials.make(Provider.persisted(counting().provider, "me"))
      const seen = yield* Deferred.make<boolean>()
      yield* Effect.fork(
        Stream.runForEach(credentials.changes, (token) =>
          Effect.flatMap(store.get("me"), (stored) =>
            Deferred.succeed(
              seen,
              Option.exists(stored, (stored) => Token.isSame(stored, token))
            )
          )
        )
      )
      yield* Effect.yieldNow()
      yield* credentials.token
      assert.isTrue(yield* Deferred.await(seen))
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("forget removes what is stored", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const credentials = yield* Credentials.make(Provider.persisted(counting().provider, "me"))
      yield* credentials.token
      assert.deepStrictEqual(yield* store.list, ["me"])
      yield* credentials.forget
      assert.deepStrictEqual(yield* store.list, [])
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("a token that somebody else stored is taken over without asking", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 600 })
      const provider = Provider.persisted(counted.provider, "me")
      const [one, other] = yield* Effect.all([Credentials.make(provider), Credentials.make(provider)])
      const seen = yield* one.token
      yield* other.token
      yield* TestClock.adjust("1 second")
      yield* one.renew(seen)
      yield* TestClock.adjust(1)
      assert.strictEqual(show(yield* other.token), "t2")
      assert.strictEqual(counted.needs.length, 2)
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.effect("a provider without a key of its own needs one", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Credentials.make(Provider.persisted(counting().provider))))
      assert.strictEqual(error.option, "key")
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )
})

describe("Provider.fromConfig", () => {
  const settings = {
    endpoint: Config.string("TOKEN_URL").pipe(Config.orElse(() => Config.string("ISSUER"))),
    id: Config.string("CLIENT_ID"),
    secret: Config.redacted("CLIENT_SECRET"),
    scope: Config.option(Config.string("SCOPE")),
    port: Config.withDefault(Config.integer("PORT"), 80)
  }
  const load = (variables: Record<string, string>) => {
    const made: Array<unknown> = []
    return Provider.fromConfig("Test", settings, (found) => {
      made.push(found)
      return counting().provider
    }).pipe(Effect.as(made), Effect.withConfigProvider(environment(variables)), Effect.either)
  }

  it.effect("says what to set when nothing that it needs is set, blank counting as nothing (S313)", () =>
    Effect.gen(function* () {
      for (const variables of [{}, { CLIENT_ID: "", CLIENT_SECRET: "  \t" }, { UNRELATED: "x" }, { SCOPE: "read" }]) {
        const result = yield* load(variables)
        assert.strictEqual(
          result._tag === "Left" ? result.left.message : "",
          "Test is not configured: set TOKEN_URL or ISSUER, CLIENT_ID, CLIENT_SECRET"
        )
        assert.strictEqual(result._tag === "Left" ? result.left._tag : "", "MissingCredentials")
      }
    })
  )

  it.effect("names what is present and what is missing when some is set", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [Record<string, string>, ReadonlyArray<string>, ReadonlyArray<string>]> = [
        [{ CLIENT_ID: "x" }, ["CLIENT_ID"], ["TOKEN_URL or ISSUER", "CLIENT_SECRET"]],
        [{ ISSUER: "https://id.test", CLIENT_ID: "x", CLIENT_SECRET: " " }, ["ISSUER", "CLIENT_ID"], ["CLIENT_SECRET"]],
        [{ SCOPE: "read", CLIENT_ID: "x" }, ["CLIENT_ID", "SCOPE"], ["TOKEN_URL or ISSUER", "CLIENT_SECRET"]]
      ]
      for (const [variables, present, missing] of cases) {
        const result = yield* load(variables)
        assert.isTrue(result._tag === "Left" && result.left._tag === "PartialCredentials")
        if (result._tag === "Left" && result.left._tag === "PartialCredentials") {
          assert.deepStrictEqual([result.left.present, result.left.missing], [present, missing])
        }
      }
    })
  )

  it.effect("hands over what it found, defaults included", () =>
    Effect.gen(function* () {
      const result = yield* load({ TOKEN_URL: "https://id.test/token", CLIENT_ID: "x", CLIENT_SECRET: "y", SCOPE: "" })
      assert.deepStrictEqual(result._tag === "Right" ? result.right : [], [
        {
          endpoint: "https://id.test/token",
          id: "x",
          secret: Redacted.make("y"),
          scope: Option.none(),
          port: 80
        }
      ])
    })
  )

  it.effect("a value of the wrong form is named, never quoted (S026)", () =>
    Effect.gen(function* () {
      const result = yield* load({ TOKEN_URL: "u", CLIENT_ID: "x", CLIENT_SECRET: "y", PORT: "hunter2" })
      assert.isTrue(result._tag === "Left" && result.left._tag === "InvalidOption")
      assert.include(JSON.stringify(result), "port")
      assert.notInclude(JSON.stringify(result) + String(result._tag === "Left" ? result.left.stack : ""), "hunter2")
    })
  )

  it.effect("settings may be nested and renamed with Effect's own combinators", () =>
    Effect.gen(function* () {
      const error = yield* Provider.fromConfig(
        "Test",
        {
          secret: Config.nested(Config.redacted("SECRET"), "GITHUB"),
          id: Config.nested(Config.string("ID"), "GITHUB")
        },
        () => counting().provider
      ).pipe(
        Effect.withConfigProvider(
          ConfigProvider.nested(ConfigProvider.fromMap(new Map([["APP.GITHUB.ID", "x"]])), "APP")
        ),
        Effect.flip
      )
      assert.strictEqual(error.message, "Test is half configured: APP_GITHUB_ID is set, APP_GITHUB_SECRET is missing")
    })
  )

  it.effect("the first source that has any of the settings decides alone: no chimeras (S313)", () =>
    Effect.gen(function* () {
      const load = (...sources: ReadonlyArray<Record<string, string>>) => {
        const found: Array<string> = []
        return Provider.fromConfig(
          "Test",
          { id: Config.string("ID"), secret: Config.string("SECRET") },
          ({ id, secret }) => {
            found.push(`${id}/${secret}`)
            return counting().provider
          }
        ).pipe(
          Effect.as(found),
          Effect.provide(
            Sources.layer(sources.map((settings, at) => Sources.explicit(settings, `source ${at}`)) as any)
          ),
          Effect.either,
          Effect.map((result) => (result._tag === "Right" ? result.right.join() : result.left._tag))
        )
      }
      assert.strictEqual(yield* load({}, { ID: "a", SECRET: "b" }, { ID: "c", SECRET: "d" }), "a/b")
      assert.strictEqual(yield* load({ ID: "" }, { ID: "a", SECRET: "b" }), "a/b")
      assert.strictEqual(yield* load({ ID: "z" }, { ID: "a", SECRET: "b" }), "PartialCredentials")
      assert.strictEqual(yield* load({}, {}), "MissingCredentials")
    })
  )
})

describe("Provider.startingWith", () => {
  const living = token("living", { expiresAt: Option.some(DateTime.unsafeMake(60_000)) })
  const started = (held: Option.Option<Token.Token>) => {
    const { needs, provider } = counting()
    return { needs, provider: Provider.startingWith(provider, Effect.succeed(held)) }
  }

  it.effect("hands out what is there while it lives, and asks for what lasts longer", () =>
    Effect.gen(function* () {
      const { needs, provider } = started(Option.some(living))
      assert.strictEqual(show(yield* provider.acquire(first)), "living")
      assert.strictEqual(show(yield* provider.acquire({ ...first, validFor: Duration.minutes(5) })), "t1")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(show(yield* provider.acquire(first)), "t2")
      // Its refresh token is what the provider gets to spend.
      assert.deepStrictEqual(
        needs.map(({ previous }) => Option.map(previous, show)),
        [Option.some("living"), Option.some("living")]
      )
    })
  )

  it.effect("is left out once something else is held, where nothing is there, and for what cannot be sent", () =>
    Effect.gen(function* () {
      const { provider } = started(Option.some(living))
      assert.strictEqual(show(yield* provider.acquire({ ...first, previous: Option.some(token("other")) })), "t1")
      assert.strictEqual(show(yield* started(Option.none()).provider.acquire(first)), "t1")
      assert.strictEqual(show(yield* started(Option.some(token("a b"))).provider.acquire(first)), "t1")
    })
  )
})
