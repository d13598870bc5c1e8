/** What is used here of oidc-provider, which comes without types. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http"

  interface Model<Fields> {
    new (fields: Fields): { save(): Promise<string> }
    /** The model that the value stands for; undefined if there is none, or if it has expired. */
    find(value: string): Promise<object | undefined>
  }

  export class Provider {
    constructor(issuer: string, configuration: object)
    readonly AccessToken: Model<object>
    readonly ClientCredentials: Model<object>
    readonly Client: { find(clientId: string): Promise<object | undefined> }
    readonly Grant: new (fields: object) => { addOIDCScope(scope: string): void; save(): Promise<string> }
    readonly RefreshToken: Model<object>
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    on(event: "server_error", listener: (context: unknown, error: Error) => void): this
  }
}
