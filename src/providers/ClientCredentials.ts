/**
 * The client acting on its own behalf (RFC 6749 §4.4): for services, daemons and scripts that are registered at an authorization server.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer, Redacted } from "effect"
 *
 * const Api = AuthenticatedHttpClient.layer({ origins: ["https://api.example.com"] }).pipe(
 *   Layer.provide(ClientCredentials.layer({
 *     tokenEndpoint: "https://id.example.com/oauth/token",
 *     clientId: "my-service",
 *     clientSecret: Redacted.make("s3cret"),
 *     scope: ["read"]
 *   })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * console.log(Layer.isLayer(Api))
 * // true
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, type MissingCredentials, type PartialCredentials } from "../CredentialsError.ts"
import { own } from "../internal/own.ts"
import * as Grant from "../protocol/Grant.ts"
import * as Provider from "../Provider.ts"

const name = "ClientCredentials"

/**
 * Where the token endpoint is, who the client is and what it asks for.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Provider.GrantOptions

/**
 * A provider of tokens for the client itself.
 *
 * **Details** – a refresh token, should a server send one, is not spent: the client can always ask again. The client has to prove who it is (RFC 6749 §4.4): without `clientSecret` and
 * `authentication` the layer fails, unless that is `ClientAuthentication.none`.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import { Redacted } from "effect"
 *
 * const provider = ClientCredentials.make({
 *   issuer: "https://id.example.com",
 *   clientId: "my-service",
 *   clientSecret: Redacted.make("s3cret")
 * })
 * console.log(provider.name)
 * // ClientCredentials
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc6749#section-4.4>
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Provider.Provider<HttpClient> => {
  const mine = own(options)
  // RFC 6749 §4.4: the grant is for confidential clients. A secret that is missing in an environment must not make a public one of this.
  const isUnproven = mine.clientSecret === undefined && mine.authentication === undefined
  return Provider.fromGrant(name, mine, () => Effect.succeed(Grant.clientCredentials(mine)), {
    refreshes: false,
    ...(isUnproven ? { check: Effect.fail(unproven()) } : {})
  })
}

const unproven = (): InvalidOption =>
  new InvalidOption({
    provider: name,
    option: "clientSecret",
    expected: "given, or else the option authentication: ClientAuthentication.none if the server asks for no proof"
  })

/**
 * Credentials for the client itself. Fails with `InvalidOption` if an option cannot work, before anything is sent.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect, Layer } from "effect"
 *
 * const server = Testing.authorizationServer()
 * const CredentialsLive = ClientCredentials.layer({ tokenEndpoint: "http://id.example.com/token", clientId: "me" })
 * const error = Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Layer.provide(CredentialsLive, server.layer)))))
 * console.log(error.option)
 * // tokenEndpoint
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
 * A provider from configuration: by default the environment variables `TOKEN_URL` or `ISSUER`, `CLIENT_ID`, `CLIENT_SECRET` and, if set, `SCOPE`. Everything
 * else is an option.
 *
 * **Details** – fails with `MissingCredentials` if none of them is set, or `SCOPE` alone, with `PartialCredentials` if some are; blank counts as not set.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["CLIENT_ID", "me"], ["TOKEN_URL", "https://id.example.com/token"]]))
 * const provider = Effect.withConfigProvider(ClientCredentials.fromConfig(), environment)
 * console.log(Effect.runSync(Effect.flip(provider)).message)
 * // ClientCredentials is half configured: TOKEN_URL, CLIENT_ID are set, CLIENT_SECRET is missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = (
  config?: Provider.GrantConfig,
  options?: Provider.GrantRest
): Effect.Effect<Provider.Provider<HttpClient>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Provider.fromGrantConfig<object, HttpClient>(name, make, { settings: {}, isPublic: false, config, options })

/**
 * Credentials from configuration, as {@link fromConfig} says.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import { Config, Layer } from "effect"
 *
 * const CredentialsLive = ClientCredentials.layerConfig({
 *   tokenEndpoint: Config.succeed("https://id.example.com/token"),
 *   clientId: Config.string("BILLING_ID"),
 *   clientSecret: Config.redacted("BILLING_SECRET")
 * }, { renewAhead: "2 minutes" })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <Name extends string = "default">(
  config?: Provider.GrantConfig,
  options?: Provider.GrantRest & Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, MissingCredentials | PartialCredentials | InvalidOption, HttpClient> =>
  Layer.unwrapEffect(Effect.map(fromConfig(config, options), (provider) => Credentials.layer(provider, options)))
