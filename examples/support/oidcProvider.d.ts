/** What is used here of oidc-provider, which comes without types. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http"

  interface Model<Found = object> {
    new (fields: object): {
      save(): Promise<string>
      setThumbprint(name: "jkt", value: string): void
      readonly expiration: number
      readonly tokenType: string
    }
    /** The model that the value stands for; undefined if there is none, or if it has expired. */
    find(value: string): Promise<Found | undefined>
  }

  /** What an access token says. */
  export interface AccessToken {
    readonly accountId?: string
    readonly clientId: string
    readonly aud?: string | Array<string>
    readonly extra?: object
    readonly scope?: string
  }

  /** A request to the token endpoint whose client is known. Parameters that may come more than once can be arrays. */
  export interface GrantContext {
    readonly oidc: { readonly client: { readonly clientId: string }; readonly params: Record<string, any> }
    body: unknown
  }

  export const errors: { readonly CustomOIDCProviderError: new (code: string, description: string) => Error }

  export class Provider {
    constructor(issuer: string, configuration: object)
    readonly AccessToken: Model<AccessToken>
    readonly ClientCredentials: Model<AccessToken>
    readonly Client: { find(clientId: string): Promise<object | undefined> }
    readonly Grant: new (fields: object) => { addOIDCScope(scope: string): void; save(): Promise<string> }
    readonly IdToken: new (
      claims: object,
      about: { readonly ctx: GrantContext }
    ) => { scope: string; set(name: string, value: unknown): void; issue(as: { use: "idtoken" }): Promise<string> }
    readonly RefreshToken: Model
    registerGrantType(
      name: string,
      answer: (context: GrantContext) => Promise<void>,
      parameters: ReadonlyArray<string>,
      severalTimes?: ReadonlyArray<string>
    ): void
    use(around: (context: { body: unknown }, next: () => Promise<void>) => Promise<void>): this
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    on(event: "server_error", listener: (context: unknown, error: Error) => void): this
  }
}

declare module "oidc-provider/lib/helpers/grants.js" {
  import type { GrantContext, Provider } from "oidc-provider"

  interface Proof {
    readonly thumbprint: string
  }
  /** The proof of possession in a request (RFC 9449), if there is one. */
  export const validateDpop: (provider: Provider, context: GrantContext) => Promise<Proof | undefined>
  export const checkDpopReplay: (
    provider: Provider,
    context: GrantContext,
    proof: Proof | undefined,
    clientId: string
  ) => Promise<void>
}
