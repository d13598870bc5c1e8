/**
 * A token that is simply known: pasted from a web page, handed over by a build system, read from the environment.
 *
 * Nothing renews it. If it is a JWT, or `expiresAt` is given, asking for it after its expiry fails with an error that says so;
 * otherwise it is used until a server refuses it.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { ConfigProvider, Effect, Layer } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["TOKEN", "s3cret"]]))
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token).pipe(
 *   Effect.provide(StaticToken.layerConfig()),
 *   Effect.provide(Layer.setConfigProvider(environment))
 * )
 * console.log(String(Effect.runSync(program).accessToken))
 * // <redacted>
 * ```
 *
 * @module
 */
import * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Authorization } from "../Authorization.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, type MissingCredentials, type PartialCredentials, RefreshError } from "../CredentialsError.ts"
import * as Secret from "../internal/secret.ts"
import * as Provider from "../Provider.ts"
import * as Token from "../Token.ts"

const name = "StaticToken"

/**
 * What is known.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The access token: visible ASCII, no spaces. */
  readonly token: string | Redacted.Redacted
  /** When it stops working. Default: the `exp` of a JWT, else unknown. */
  readonly expiresAt?: DateTime.Utc | undefined
  /** How it goes on a request. Default: `Authorization.bearer`. */
  readonly authorization?: Authorization | undefined
}

/**
 * A provider of a token that is known.
 *
 * @example
 * ```ts
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { DateTime } from "effect"
 *
 * const provider = StaticToken.make({ token: "s3cret", expiresAt: DateTime.unsafeMake("2030-01-01") })
 * console.log(provider.name)
 * // StaticToken
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Provider.Provider => {
  const accessToken = Secret.isBlank(options.token) ? Redacted.make("") : Secret.redacted(options.token)
  return Provider.make({
    name,
    ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
    check: Token.isSendable(Token.make({ accessToken, issuedAt: DateTime.unsafeMake(0) }))
      ? Effect.void
      : Effect.fail(
          new InvalidOption({
            provider: name,
            option: "token",
            expected: "one or more visible ASCII characters, no spaces"
          })
        ),
    acquire: () =>
      Effect.flatMap(DateTime.now, (now) => {
        const known = Token.fromAccessToken(accessToken, now)
        const token = options.expiresAt === undefined ? known : { ...known, expiresAt: Option.some(options.expiresAt) }
        return Token.freshness(token, now) === "Expired"
          ? Effect.fail(
              new RefreshError({
                provider: name,
                reason: {
                  _tag: "Source",
                  description: `the token expired ${Option.match(token.expiresAt, {
                    onNone: () => "",
                    onSome: DateTime.formatIso
                  })} and nothing renews it: set a new one`
                }
              })
            )
          : Effect.succeed(token)
      })
  })
}

/**
 * Credentials from a token that is known. Fails with `InvalidOption` if it could never be sent.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { Effect } from "effect"
 *
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * const error = Effect.runSync(Effect.flip(program.pipe(Effect.provide(StaticToken.layer({ token: " " })))))
 * console.log(error.message)
 * // StaticToken: option token must be one or more visible ASCII characters, no spaces
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Name extends string = "default">(
  options: Options,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption> => Credentials.layer(make(options), engine)

/**
 * A provider of a token from configuration: `TOKEN` by default.
 *
 * @example
 * ```ts
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { Config, ConfigProvider, Effect } from "effect"
 *
 * const provider = StaticToken.fromConfig({ token: Config.redacted("GITHUB_TOKEN") })
 * const environment = ConfigProvider.fromMap(new Map([["GITHUB_TOKEN", "s3cret"]]))
 * console.log(Effect.runSync(Effect.withConfigProvider(provider, environment)).name)
 * // StaticToken
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = (
  config?: Provider.Configured<Pick<Options, "token">>
): Effect.Effect<Provider.Provider, MissingCredentials | PartialCredentials | InvalidOption> =>
  Provider.fromConfig(name, { token: config?.token ?? Config.redacted("TOKEN") }, make)

/**
 * Credentials from a token in configuration: `TOKEN` by default.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { ConfigProvider, Effect, Layer } from "effect"
 *
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token).pipe(
 *   Effect.provide(StaticToken.layerConfig()),
 *   Effect.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map())))
 * )
 * console.log(Effect.runSync(Effect.flip(program)).message)
 * // StaticToken is not configured: set TOKEN
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <Name extends string = "default">(
  config?: Provider.Configured<Pick<Options, "token">>,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Layer.unwrapEffect(Effect.map(fromConfig(config), (provider) => Credentials.layer(provider, engine)))
