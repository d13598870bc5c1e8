/**
 * The managed identity of the machine, on Azure: virtual machines, scale sets, AKS. No secret.
 *
 * **Gotchas** – App Service and Functions have another protocol, which this is not. The metadata server is asked by the HttpClient given, which must not send it through a proxy.
 *
 * @example
 * ```ts
 * import * as AzureMetadata from "effect-credentials/AzureMetadata"
 * import { Layer } from "effect"
 *
 * const CredentialsLive = AzureMetadata.layer({ resource: "https://management.azure.com/" })
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
import type { Authorization } from "../Authorization.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption } from "../CredentialsError.ts"
import { own } from "../internal/own.ts"
import * as Text from "../internal/text.ts"
import * as TokenResponse from "../protocol/TokenResponse.ts"
import * as Provider from "../Provider.ts"
import * as WorkloadIdentity from "../WorkloadIdentity.ts"

const name = "AzureMetadata"

/**
 * What the tokens are for, and which identity.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The API that the tokens are for: its application ID URI, such as `https://management.azure.com/`. */
  readonly resource: string
  /** The client id of a user-assigned identity. Default: the identity of the machine. */
  readonly clientId?: string | undefined
  /** Where the metadata server is: on this machine or in a private network. Default: `http://169.254.169.254`. */
  readonly origin?: string | undefined
  /** How long one attempt may take; there are up to three. At most a minute. Default: 5 seconds. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** How tokens go on a request. Default: `Authorization.bearer`. */
  readonly authorization?: Authorization | undefined
}

/**
 * A provider that asks Azure's metadata server.
 *
 * @example
 * ```ts
 * import * as AzureMetadata from "effect-credentials/AzureMetadata"
 *
 * console.log(AzureMetadata.make({ resource: "https://vault.azure.net" }).name)
 * // AzureMetadata
 * ```
 *
 * @see <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
 * @category constructors
 * @since 0.1.0
 */
export const make = (given: Options): Provider.Provider<HttpClient> => {
  const options = own(given)
  const { clientId, origin = "http://169.254.169.254", resource, timeLimit } = options
  const server = WorkloadIdentity.metadataServer(name, { origin, timeLimit })
  const query = new URLSearchParams([
    ["api-version", "2018-02-01"],
    ["resource", resource],
    ...(clientId === undefined ? [] : [["client_id", clientId]])
  ])
  return Provider.make({
    name,
    ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
    timeLimit: server.timeLimit,
    check: Effect.gen(function* () {
      for (const [option, text] of Object.entries({ resource, clientId })) {
        const isLeftOut = option === "clientId" && text === undefined
        if (!isLeftOut && (Text.isBlank(text!) || !Text.isPlain(text!))) {
          const expected = "text that is not blank and has no line breaks or other controls"
          return yield* new InvalidOption({ provider: name, option, expected })
        }
      }
      yield* server.check
    }),
    acquire: () =>
      Effect.gen(function* () {
        const requestedAt = yield* DateTime.now
        const answer = yield* server.ask(`/metadata/identity/oauth2/token?${query}`, { metadata: "true" })
        return yield* TokenResponse.decode({ ...answer, provider: name, requestedAt })
      })
  })
}

/**
 * Credentials of the machine's managed identity. Fails with `InvalidOption` if an option cannot work, before anything is sent.
 *
 * @example
 * ```ts
 * import * as AzureMetadata from "effect-credentials/AzureMetadata"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const Live = AzureMetadata.layer({ resource: " " }).pipe(Layer.provide(FetchHttpClient.layer))
 * console.log(Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Live)))).option)
 * // resource
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Name extends string = "default">(
  options: Options,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, HttpClient> => Credentials.layer(make(options), engine)
