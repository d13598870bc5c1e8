/**
 * The service account of the machine, on Google Cloud: Compute Engine, Cloud Run, GKE. Nothing to configure, no secret.
 *
 * **Gotchas** – the metadata server hands out the same token until about 4 minutes before its end: a `renewAhead` above that asks in vain. It is asked by the HttpClient given, which must not send it through a
 * proxy.
 *
 * @example
 * ```ts
 * import * as GoogleMetadata from "effect-credentials/GoogleMetadata"
 * import { Layer } from "effect"
 *
 * const CredentialsLive = GoogleMetadata.layer({ scope: ["https://www.googleapis.com/auth/cloud-platform"] })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Authorization } from "../Authorization.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, RefreshError } from "../CredentialsError.ts"
import { own } from "../internal/own.ts"
import * as Grant from "../protocol/Grant.ts"
import * as TokenResponse from "../protocol/TokenResponse.ts"
import * as Provider from "../Provider.ts"
import * as WorkloadIdentity from "../WorkloadIdentity.ts"

const name = "GoogleMetadata"

/**
 * Which account, and what for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The service account's address. Default: `default`, the one of the machine. */
  readonly account?: string | undefined
  /** What tokens should allow. Default: what the machine may. */
  readonly scope?: ReadonlyArray<string> | undefined
  /** Where the metadata server is: on this machine or in a private network. Default: `http://metadata.google.internal`. */
  readonly origin?: string | undefined
  /** How long one attempt may take; there are up to three. At most a minute. Default: 5 seconds. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** How tokens go on a request. Default: `Authorization.bearer`. */
  readonly authorization?: Authorization | undefined
}

/**
 * A provider that asks Google's metadata server.
 *
 * **Details** – the answer must say that it comes from there (`Metadata-Flavor: Google`).
 *
 * @example
 * ```ts
 * import * as GoogleMetadata from "effect-credentials/GoogleMetadata"
 *
 * console.log(GoogleMetadata.make().name)
 * // GoogleMetadata
 * ```
 *
 * @see <https://cloud.google.com/compute/docs/access/authenticate-workloads>
 * @category constructors
 * @since 0.1.0
 */
export const make = (given: Options = {}): Provider.Provider<HttpClient> => {
  const options = own(given)
  const { account = "default", origin = "http://metadata.google.internal", scope = [], timeLimit } = options
  const server = WorkloadIdentity.metadataServer(name, { origin, timeLimit })
  const query = scope.length === 0 ? "" : `?${new URLSearchParams([["scopes", scope.join(",")]])}`
  return Provider.make({
    name,
    ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
    timeLimit: server.timeLimit,
    check: Effect.gen(function* () {
      if (!/^[\w@.+-]+$/.test(account) || /^\.+$/.test(account)) {
        const expected = "the address of a service account"
        return yield* new InvalidOption({ provider: name, option: "account", expected })
      }
      yield* server.check
      const problem = Grant.check(name, { scope })
      if (Option.isSome(problem)) return yield* problem.value
    }),
    acquire: () =>
      Effect.gen(function* () {
        const requestedAt = yield* DateTime.now
        const path = `/computeMetadata/v1/instance/service-accounts/${account}/token${query}`
        const answer = yield* server.ask(path, { "metadata-flavor": "Google" })
        if (answer.headers["metadata-flavor"] !== "Google") {
          const description = "it is not from Google's metadata server"
          return yield* new RefreshError({ provider: name, reason: { _tag: "InvalidResponse", description } })
        }
        return yield* TokenResponse.decode({ ...answer, provider: name, requestedAt, requestedScope: scope })
      })
  })
}

/**
 * Credentials of the machine's service account. Fails with `InvalidOption` if an option cannot work, before anything is sent.
 *
 * @example
 * ```ts
 * import * as GoogleMetadata from "effect-credentials/GoogleMetadata"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const Live = GoogleMetadata.layer({ origin: "http://metadata.example.com" }).pipe(Layer.provide(FetchHttpClient.layer))
 * console.log(Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Live)))).option)
 * // origin
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Name extends string = "default">(
  options?: Options,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, HttpClient> => Credentials.layer(make(options), engine)
