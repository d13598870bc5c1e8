/**
 * A refresh token that was obtained elsewhere (RFC 6749 §6): from a login in another program, from a secret store.
 *
 * The first exchange spends it; from then on the credentials use whatever the server issued last. Where the server rotates refresh tokens, add
 * `Provider.persisted`: otherwise the next start of the program would offer one that is spent. What is stored belongs to the refresh token that it began with: a program that is
 * given another one begins with that.
 *
 * @example
 * ```ts
 * import * as RefreshToken from "effect-credentials/RefreshToken"
 * import { Layer, Redacted } from "effect"
 *
 * const CredentialsLive = RefreshToken.layer({
 *   tokenEndpoint: "https://id.example.com/oauth/token",
 *   clientId: "my-tool",
 *   refreshToken: Redacted.make("s3cret")
 * })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, type MissingCredentials, type PartialCredentials } from "../CredentialsError.ts"
import { own } from "../internal/own.ts"
import * as Secret from "../internal/secret.ts"
import * as Grant from "../protocol/Grant.ts"
import * as Provider from "../Provider.ts"

const name = "RefreshToken"

/**
 * The refresh token, where it is spent and by whom.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Provider.GrantOptions & {
  /** The refresh token to begin with. */
  readonly refreshToken: string | Redacted.Redacted
}

/**
 * A provider that spends a refresh token.
 *
 * **Details** – a refresh token is spent once: while a token is held or stored, it is the one that the server issued last, and when an answer was lost the error is `Ambiguous`. After
 * `forget` and `revoke` there is nothing left but the first, which a server that rotates or has revoked it refuses: give it a fresh one then. For what to do when the server refuses it, add another provider with `Provider.orElse`.
 *
 * @example
 * ```ts
 * import * as Provider from "effect-credentials/Provider"
 * import * as RefreshToken from "effect-credentials/RefreshToken"
 * import * as TokenFactory from "effect-credentials/TokenFactory"
 * import { Redacted } from "effect"
 *
 * const provider = RefreshToken.make({
 *   tokenEndpoint: "https://id.example.com/oauth/token",
 *   clientId: "my-tool",
 *   refreshToken: Redacted.make("s3cret")
 * }).pipe(Provider.orElse(TokenFactory.make({ token: async () => "from somewhere else" })))
 * console.log(provider.name)
 * // RefreshToken
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc6749#section-6>
 * @category constructors
 * @since 0.1.0
 */
export const make = (given: Options): Provider.Provider<HttpClient> => {
  const options = own(given)
  const first = Redacted.isRedacted(options.refreshToken) ? options.refreshToken : Redacted.make(options.refreshToken)
  const provider = Provider.fromGrant(
    name,
    options,
    (need) => {
      const held = Option.flatMap(need.previous, (token) => token.refreshToken)
      // The target goes with the token given only: what is held was issued for it already.
      return Effect.succeed(
        Option.match(held, {
          onNone: () => Grant.refreshToken(first, options),
          onSome: (refreshToken) => Grant.refreshToken(refreshToken)
        })
      )
    },
    { refreshes: false, credential: first }
  )
  return Secret.isBlank(first)
    ? Provider.make({
        ...provider,
        check: Effect.fail(
          new InvalidOption({ provider: name, option: "refreshToken", expected: "a refresh token, not blank" })
        )
      })
    : provider
}

/**
 * Credentials that begin with a refresh token. Fails with `InvalidOption` if an option cannot work, before anything is sent.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as RefreshToken from "effect-credentials/RefreshToken"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect } from "effect"
 *
 * const server = Testing.authorizationServer()
 * const CredentialsLive = RefreshToken.layer({ tokenEndpoint: server.tokenEndpoint.url, clientId: "me", refreshToken: "unknown" })
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * Effect.runPromise(Effect.flip(program.pipe(Effect.provide(CredentialsLive), Effect.provide(server.layer)))).then((error) =>
 *   console.log(error._tag === "RefreshError" && error.reason._tag))
 * // Rejected
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Name extends string = "default">(
  options: Options,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, HttpClient> => Credentials.layer(make(options), engine)

/**
 * Where the settings are found.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigOptions extends Provider.GrantConfig {
  /** The refresh token to begin with. Default: `REFRESH_TOKEN`. */
  readonly refreshToken?: Config.Config<Redacted.Redacted> | undefined
}

/**
 * A provider from configuration: by default the environment variables `REFRESH_TOKEN`, `TOKEN_URL` or `ISSUER`, `CLIENT_ID` and, if set, `CLIENT_SECRET` and
 * `SCOPE`. Everything else is an option.
 *
 * @example
 * ```ts
 * import * as RefreshToken from "effect-credentials/RefreshToken"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["CLIENT_ID", "me"], ["TOKEN_URL", "https://id.example.com/token"]]))
 * const provider = Effect.withConfigProvider(RefreshToken.fromConfig(), environment)
 * console.log(Effect.runSync(Effect.flip(provider)).message)
 * // RefreshToken is half configured: TOKEN_URL, CLIENT_ID are set, REFRESH_TOKEN is missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = (
  config?: ConfigOptions,
  options?: Provider.GrantRest
): Effect.Effect<Provider.Provider<HttpClient>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Provider.fromGrantConfig(name, make, {
    settings: { refreshToken: config?.refreshToken ?? Config.redacted("REFRESH_TOKEN") },
    isPublic: true,
    config,
    options
  })

/**
 * Credentials from configuration, as {@link fromConfig} says.
 *
 * @example
 * ```ts
 * import * as RefreshToken from "effect-credentials/RefreshToken"
 * import { Config, Layer } from "effect"
 *
 * const CredentialsLive = RefreshToken.layerConfig({
 *   issuer: Config.succeed("https://id.example.com"),
 *   refreshToken: Config.redacted("MY_REFRESH_TOKEN")
 * })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <Name extends string = "default">(
  config?: ConfigOptions,
  options?: Provider.GrantRest & Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, MissingCredentials | PartialCredentials | InvalidOption, HttpClient> =>
  Layer.unwrapEffect(Effect.map(fromConfig(config, options), (provider) => Credentials.layer(provider, options)))
