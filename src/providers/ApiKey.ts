/**
 * An API key in a header, or several keys in several: for APIs that hand out keys and know nothing of logins.
 *
 * A key never expires and nothing renews it; a request that carries one carries no `Authorization` beside it, unless that is the header you name. Keys as
 * parameters of the URL are not offered: URLs end up in logs, histories and the `Referer` of other requests.
 *
 * @example
 * ```ts
 * import * as ApiKey from "effect-credentials/ApiKey"
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import { HttpClient, HttpClientResponse } from "@effect/platform"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const Echo = Layer.succeed(HttpClient.HttpClient, HttpClient.make((request) =>
 *   Effect.succeed(HttpClientResponse.fromWeb(request, new Response(request.headers["x-api-key"])))))
 * const Live = AuthenticatedHttpClient.layerHttpClient({ origins: ["https://api.example.com"] }).pipe(
 *   Layer.provide([Echo, ApiKey.layer({ headers: { "x-api-key": Redacted.make("s3cret") } })]))
 * const call = Effect.flatMap(HttpClient.get("https://api.example.com/me"), (response) => response.text)
 * console.log(await Effect.runPromise(Effect.provide(call, Live)))
 * // s3cret
 * ```
 *
 * @module
 */
import * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Authorization from "../Authorization.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, type MissingCredentials, type PartialCredentials } from "../CredentialsError.ts"
import * as Secret from "../internal/secret.ts"
import { printable } from "../internal/text.ts"
import * as Provider from "../Provider.ts"
import * as Token from "../Token.ts"

const name = "ApiKey"

/**
 * Headers and the keys in them: visible ASCII, also of several words (`"Token s3cret"`). The header's name may be in any case.
 *
 * @category models
 * @since 0.1.0
 */
export type Headers = Readonly<Record<string, string | Redacted.Redacted>>

/**
 * Which keys go where. At least one of the two is needed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The headers for every origin that has none of its own in `byOrigin`. Default: nothing goes to those. */
  readonly headers?: Headers | undefined
  /** Headers for single origins, such as `"https://files.example.com"`: they take the place of `headers` there. Default: none. */
  readonly byOrigin?: Readonly<Record<string, Headers>> | undefined
}

/** Sets nothing by itself: what keys are added to. */
const bare: Authorization.Authorization = {
  names: [],
  headers: () => none,
  problem: Option.none(),
  pipe() {
    return pipeArguments(this, arguments)
  }
}
const none = Object.freeze({})

/** Nothing, of what is none in spite of its type: a setting that is missing. */
const reveal = (key: string | Redacted.Redacted): string =>
  Secret.isBlank(key) ? "" : Redacted.value(Secret.redacted(key))

/** What is wrong with them, if anything. */
const problemOf = (headers: Headers): Option.Option<string> => {
  const names = Object.keys(headers)
  if (names.length === 0) return Option.some("made of at least one header and its key")
  if (new Set(names.map((name) => name.toLowerCase())).size < names.length) {
    return Option.some("made of different headers: upper and lower case are the same")
  }
  const bad = names.find((name) => !/^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(reveal(headers[name]!)))
  return bad === undefined
    ? Authorization.withHeaders(bare, headers).problem
    : Option.some(`made of keys that are visible ASCII, words separated by single spaces, in ${printable(bad, 64)} too`)
}

/**
 * A provider of keys. Its token is the first key, without a scheme word before it; the headers come from its `authorization`.
 *
 * @example
 * ```ts
 * import * as ApiKey from "effect-credentials/ApiKey"
 * import { Redacted } from "effect"
 *
 * const provider = ApiKey.make({
 *   headers: { "DD-API-KEY": Redacted.make("s3cret"), "DD-APPLICATION-KEY": Redacted.make("s3cret too") }
 * })
 * console.log(provider.authorization.names)
 * // [ 'dd-api-key', 'dd-application-key' ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Provider.Provider => {
  const { byOrigin = {}, headers = {} } = options
  const all = [headers, ...Object.values(byOrigin)].flatMap((headers) => Object.values(headers))
  const everywhere = Record.isEmptyRecord(headers) ? undefined : Authorization.withHeaders(bare, headers)
  const authorization = Authorization.byOrigin(
    Record.map(byOrigin, (headers) => Authorization.withHeaders(bare, headers)),
    everywhere
  )
  const accessToken = Redacted.make(
    reveal(all[0] ?? "")
      .split(" ")
      .at(-1)!
  )
  const invalid = (option: keyof Options) => (expected: string) =>
    Option.some(new InvalidOption({ provider: name, option, expected }))
  return Provider.make({
    name,
    authorization,
    check: Option.match(
      Option.firstSomeOf([
        Option.flatMap(
          everywhere === undefined && all.length > 0 ? Option.none() : problemOf(headers),
          invalid("headers")
        ),
        ...Object.values(byOrigin).map((headers) => Option.flatMap(problemOf(headers), invalid("byOrigin"))),
        Option.flatMap(authorization.problem, invalid("byOrigin"))
      ]),
      { onNone: () => Effect.void, onSome: Effect.fail }
    ),
    acquire: () => Effect.map(DateTime.now, (issuedAt) => Token.make({ accessToken, issuedAt }))
  })
}

/**
 * Credentials that are keys. Fails with `InvalidOption` if one could never be sent.
 *
 * @example
 * ```ts
 * import * as ApiKey from "effect-credentials/ApiKey"
 * import { Effect, Layer } from "effect"
 *
 * const error = Effect.runSync(Effect.flip(Effect.scoped(Layer.build(ApiKey.layer({ headers: { "x-api-key": " " } })))))
 * console.log(error.option)
 * // headers
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
 * Where one key is found, and which header it goes in.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigOptions {
  /** The key. Default: `API_KEY`. */
  readonly apiKey?: Config.Config<Redacted.Redacted> | undefined
  /** The header. Default: `x-api-key`. */
  readonly header?: string | undefined
}

/**
 * A provider of one key from configuration: the environment variable `API_KEY` by default.
 *
 * @example
 * ```ts
 * import * as ApiKey from "effect-credentials/ApiKey"
 * import { Config, ConfigProvider, Effect } from "effect"
 *
 * const provider = ApiKey.fromConfig({ apiKey: Config.redacted("WEATHER_KEY"), header: "x-weather-key" })
 * const environment = ConfigProvider.fromMap(new Map([["WEATHER_KEY", "s3cret"]]))
 * console.log(Effect.runSync(Effect.withConfigProvider(provider, environment)).authorization.names)
 * // [ 'x-weather-key' ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = (
  config?: ConfigOptions
): Effect.Effect<Provider.Provider, MissingCredentials | PartialCredentials | InvalidOption> =>
  Provider.fromConfig(name, { apiKey: config?.apiKey ?? Config.redacted("API_KEY") }, ({ apiKey }) =>
    make({ headers: { [config?.header ?? "x-api-key"]: apiKey } })
  )

/**
 * Credentials that are one key from configuration, as {@link fromConfig} says.
 *
 * @example
 * ```ts
 * import * as ApiKey from "effect-credentials/ApiKey"
 * import { ConfigProvider, Effect, Layer } from "effect"
 *
 * const Live = ApiKey.layerConfig().pipe(Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map()))))
 * console.log(Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Live)))).message)
 * // ApiKey is not configured: set API_KEY
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <Name extends string = "default">(
  config?: ConfigOptions,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Layer.unwrapEffect(Effect.map(fromConfig(config), (provider) => Credentials.layer(provider, engine)))
