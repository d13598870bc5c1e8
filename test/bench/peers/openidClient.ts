/** openid-client keeps no token: what is measured is the check that a program writes around it, which lets everybody who comes too early ask for himself. */
import { allowInsecureRequests, clientCredentialsGrant, Configuration, customFetch } from "openid-client"
import { client, type Peer } from "./Peer.ts"

export const peer: Peer = {
  name: "openid-client and a check",
  connect: ({ ahead, fetch, tokenEndpoint }) => {
    const configuration = new Configuration(
      { issuer: "https://login.example.com", token_endpoint: tokenEndpoint },
      client.id,
      client.secret
    )
    allowInsecureRequests(configuration)
    configuration[customFetch] = fetch
    let header = ""
    let until = 0
    return {
      header: async () => {
        if (Date.now() < until) return header
        const { access_token, expires_in } = await clientCredentialsGrant(configuration)
        header = `Bearer ${access_token}`
        until = Date.now() + expires_in * 1_000 - ahead
        return header
      }
    }
  }
}
