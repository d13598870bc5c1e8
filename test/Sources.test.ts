import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Chain from "../src/Chain.ts"
import * as Credentials from "../src/Credentials.ts"
import { InvalidOption, type MissingCredentials, PartialCredentials } from "../src/CredentialsError.ts"
import * as Provider from "../src/Provider.ts"
import * as ApiKey from "../src/providers/ApiKey.ts"
import * as AuthorizationCode from "../src/providers/AuthorizationCode.ts"
import * as ClientCertificate from "../src/providers/ClientCertificate.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as DeviceAuthorization from "../src/providers/DeviceAuthorization.ts"
import * as Password from "../src/providers/Password.ts"
import * as RefreshToken from "../src/providers/RefreshToken.ts"
import * as StaticToken from "../src/providers/StaticToken.ts"
import * as TokenExchange from "../src/providers/TokenExchange.ts"
import * as Sources from "../src/Sources.ts"
import { canary, observe, scanner } from "./support/LeakScanner.ts"

const variables = (settings: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(settings)), { pathDelim: "_" }))

/** A provider of two needed settings and one that may be absent, told by what it was made of. */
const made = Provider.fromConfig(
  "Test",
  {
    id: Config.string("ID"),
    secret: Config.redacted("SECRET"),
    scope: Config.withDefault(Config.string("SCOPE"), "-")
  },
  ({ id, scope, secret }) => StaticToken.make({ token: `${id}/${Redacted.value(secret)}/${scope}` })
)
const madeOf = Effect.flatMap(made, (provider) =>
  Effect.map(
    Effect.orDie(provider.acquire({ previous: Option.none(), validFor: Duration.zero, interaction: "forbidden" })),
    ({ accessToken }) => Redacted.value(accessToken)
  )
)

describe("Sources", () => {
  it.effect("the first source with any setting decides alone, for every way settings may be spread (S313)", () =>
    Effect.gen(function* () {
      const names = ["ID", "SECRET", "SCOPE"]
      for (let spread = 0; spread < 1 << 9; spread++) {
        const places = [0, 1, 2].map((place) => names.filter((_, at) => (spread >> (place * 3 + at)) & 1))
        const [flags, variablesSet, vault] = places.map((present, place) =>
          Object.fromEntries(names.map((name) => [name, present.includes(name) ? `${name}${place}` : " "]))
        )
        const decides = places.findIndex((present) => present.length > 0)
        const has = (name: string) => places[decides]?.includes(name) === true
        const isMeant = places.some((present) => present.includes("ID") || present.includes("SECRET"))
        const expected = !isMeant
          ? "MissingCredentials"
          : has("ID") && has("SECRET")
            ? `ID${decides}/SECRET${decides}/${has("SCOPE") ? `SCOPE${decides}` : "-"}`
            : "PartialCredentials"
        const outcome = yield* madeOf.pipe(
          Effect.catchAll((error) => Effect.succeed(error._tag)),
          Effect.provide(
            Sources.layer([Sources.explicit(flags!), Sources.environment, Sources.explicit(vault!, "the vault")])
          ),
          variables(variablesSet!)
        )
        assert.strictEqual(outcome, expected, JSON.stringify(places))
      }
    })
  )

  it.effect(
    "what a provider can do without makes it neither configured nor half configured: a chain goes on (S313)",
    () =>
      Effect.gen(function* () {
        const chain = Chain.firstConfigured(
          ClientCredentials.fromConfig(),
          RefreshToken.fromConfig(),
          StaticToken.fromConfig()
        )
        for (const [settings, outcome] of [
          [{ SCOPE: "read", TOKEN: "t" }, "StaticToken"],
          [{ SCOPE: "read" }, "MissingCredentials"],
          [{ SCOPE: "read", CLIENT_ID: "me", TOKEN: "t" }, "PartialCredentials"]
        ] as const) {
          const names = Effect.map(chain, (provider) => provider.name)
          const name = yield* Effect.merge(Effect.mapError(variables(settings)(names), ({ _tag }) => _tag))
          assert.include(name, outcome)
        }
        const error = yield* Effect.flip(variables({ SCOPE: "read" })(ClientCredentials.fromConfig()))
        assert.strictEqual(
          error.message,
          "ClientCredentials is not configured: set TOKEN_URL or ISSUER, CLIENT_ID, CLIENT_SECRET"
        )
      })
  )

  it.effect("a source that is half configured says so, and names what only others have", () =>
    Effect.gen(function* () {
      const error = yield* made.pipe(
        Effect.provide(Sources.layer([Sources.environment, Sources.explicit({ ID: "x", SECRET: "y" }, "the vault")])),
        variables({ ID: "me", SCOPE: "read" }),
        Effect.flip
      )
      assert.deepStrictEqual(
        error,
        new PartialCredentials({
          provider: "Test",
          present: ["ID", "SCOPE"],
          missing: ["SECRET"],
          source: "the environment",
          elsewhere: [{ source: "the vault", present: ["SECRET"] }]
        })
      )
      assert.strictEqual(
        error.message,
        "Test is half configured in the environment: ID, SCOPE are set, SECRET is missing (the vault has SECRET, but sources are never mixed)"
      )
      const { decodeUnknownSync, encodeSync } = Schema
      const copy = decodeUnknownSync(PartialCredentials)(
        JSON.parse(JSON.stringify(encodeSync(PartialCredentials)(error as PartialCredentials)))
      )
      assert.strictEqual(copy.message, error.message)
    })
  )

  it.effect("nothing anywhere: says where it was looked for, and a chain names it too", () =>
    Effect.gen(function* () {
      const nowhere = Sources.layer([Sources.environment, Sources.explicit({}, "the vault")])
      const error = yield* made.pipe(Effect.provide(nowhere), variables({}), Effect.flip)
      assert.strictEqual(
        error.message,
        "Test is not configured: set ID, SECRET (looked for in the environment, the vault)"
      )
      const chain = Chain.firstConfigured(made, ApiKey.fromConfig())
      assert.strictEqual(
        (yield* chain.pipe(Effect.provide(nowhere), variables({}), Effect.flip)).message,
        "Test or ApiKey is not configured: set ID, SECRET, API_KEY (looked for in the environment, the vault)"
      )
      assert.strictEqual(
        (yield* made.pipe(variables({}), Effect.flip)).message,
        "Test is not configured: set ID, SECRET"
      )
    })
  )

  it.effect("a source is read once per record and only if none before it has a setting", () =>
    Effect.gen(function* () {
      let reads = 0
      const vault: Sources.Source = {
        name: "the vault",
        configProvider: Effect.sync(() => {
          reads++
          return Sources.configProvider({ ID: "x", SECRET: "y", SCOPE: "z" })
        })
      }
      const Live = Sources.layer([Sources.environment, vault])
      yield* made.pipe(Effect.provide(Live), variables({ ID: "me", SECRET: "s" }))
      assert.strictEqual(reads, 0)
      yield* made.pipe(Effect.provide(Live), variables({}))
      assert.strictEqual(reads, 1)
    })
  )

  it.effect("a source that cannot be read stops the search where it is needed, and only there", () =>
    Effect.gen(function* () {
      const broken: Sources.Source = {
        name: "the vault",
        configProvider: Effect.fail(new InvalidOption({ provider: "Vault", option: "address", expected: "reachable" }))
      }
      const Live = Sources.layer([Sources.environment, broken, Sources.explicit({ ID: "x", SECRET: "y" })])
      const outcome = (settings: Readonly<Record<string, string>>) =>
        madeOf.pipe(
          Effect.catchAll((error) => Effect.succeed(error.message)),
          Effect.provide(Live),
          variables(settings)
        )
      assert.strictEqual(yield* outcome({ ID: "me", SECRET: "s" }), "me/s/-")
      assert.strictEqual(yield* outcome({}), "Vault: option address must be reachable")
      assert.strictEqual(
        yield* outcome({ ID: "me" }),
        "Test is half configured in the environment: ID is set, SECRET is missing (the options has SECRET, but sources are never mixed)"
      )
    })
  )

  it.effect("where every setting has a default, the first source that has any is used all the same", () =>
    Effect.gen(function* () {
      const made: Array<string> = []
      const lenient = Provider.fromConfig(
        "Lenient",
        { region: Config.withDefault(Config.string("REGION"), "eu") },
        ({ region }) => {
          made.push(region)
          return StaticToken.make({ token: "x" })
        }
      )
      const at = (...settings: ReadonlyArray<Sources.Settings>) =>
        Effect.provide(lenient, Sources.layer(settings.map((one) => Sources.explicit(one)) as never))
      yield* at({}, { REGION: "us" }, { REGION: "asia" })
      yield* at({}, {})
      assert.deepStrictEqual(made, ["us", "eu"])
    })
  )

  it.effect("every provider that can be configured asks them", () =>
    Effect.gen(function* () {
      const providers: ReadonlyArray<Effect.Effect<unknown, MissingCredentials | PartialCredentials | InvalidOption>> =
        [
          ApiKey.fromConfig(),
          AuthorizationCode.fromConfig(),
          ClientCertificate.fromConfig(),
          ClientCredentials.fromConfig(),
          DeviceAuthorization.fromConfig(),
          Password.fromConfig(),
          RefreshToken.fromConfig(),
          StaticToken.fromConfig(),
          TokenExchange.fromConfig({ subjectToken: Effect.succeed("x"), subjectTokenType: "jwt" })
        ]
      const settings = {
        ...{ API_KEY: "k", ISSUER: "https://id.test", CLIENT_ID: "c", CLIENT_SECRET: "s", TOKEN: "t" },
        ...{ CLIENT_KEY: "k", CLIENT_CERTIFICATE: "c", LOGIN_USERNAME: "u", LOGIN_PASSWORD: "p", REFRESH_TOKEN: "r" }
      }
      for (const provider of providers) {
        const sources = Sources.layer([Sources.explicit({}), Sources.environment, Sources.explicit(settings)])
        yield* provider.pipe(Effect.provide(sources), variables({}))
        assert.strictEqual((yield* provider.pipe(variables({}), Effect.flip))._tag, "MissingCredentials")
      }
    })
  )

  it.effect("settings are copied: what happens to the object later changes nothing (S323)", () =>
    Effect.gen(function* () {
      const settings: Record<string, string> = { ID: "me", SECRET: "s" }
      const source = Sources.explicit(settings)
      settings["ID"] = "somebody else"
      assert.strictEqual(yield* madeOf.pipe(Effect.provide(Sources.layer([source]))), "me/s/-")
    })
  )

  it.effect("a setting called __proto__ is a setting like any other, and `${…}` is text (S179, S322)", () =>
    Effect.gen(function* () {
      const settings = Sources.configProvider(JSON.parse('{"__proto__": "x", "A": "${B}", "B": "b"}'))
      const read = (name: string) => Effect.withConfigProvider(Config.string(name), settings)
      assert.deepStrictEqual([yield* read("__proto__"), yield* read("A")], ["x", "${B}"])
      assert.strictEqual((yield* Effect.either(read("constructor")))._tag, "Left")
    })
  )

  it.effect("no setting shows in errors, logs or what holds them", () =>
    Effect.gen(function* () {
      const secrets = { id: canary("source id"), secret: canary("source secret"), flag: canary("source flag") }
      const vault = Sources.explicit({ SECRET: Redacted.make(secrets.secret), ID: secrets.id, PORT: "x" }, "the vault")
      const flags = Sources.explicit({ ID: secrets.flag })
      const program = Effect.gen(function* () {
        const errors = yield* Effect.flip(made)
        return { errors, vault, configProvider: yield* vault.configProvider, sources: yield* Sources.current }
      })
      const seen = yield* Effect.promise(() => observe(Effect.provide(program, Sources.layer([flags, vault]))))
      const found = yield* Effect.promise(() =>
        observe(Effect.provide(made, Sources.layer([Sources.explicit({}), vault])))
      )
      assert.deepStrictEqual(scanner(secrets)([...seen, ...found]), [])
      assert.include(JSON.stringify(found), "its settings come from the vault")
    })
  )

  it.effect("as a layer it reaches every layerConfig below it, merged or provided", () =>
    Effect.gen(function* () {
      const Live = Layer.merge(
        StaticToken.layerConfig(),
        ApiKey.layerConfig(undefined, { tag: Credentials.Tag("api") })
      )
      yield* Effect.scoped(
        Layer.build(Layer.provide(Live, Sources.layer([Sources.explicit({ TOKEN: "t", API_KEY: "k" })])))
      )
      assert.strictEqual((yield* Effect.flip(Effect.scoped(Layer.build(Live))))._tag, "MissingCredentials")
    })
  )
})
