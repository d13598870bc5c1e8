/** @badgateway/oauth2-client, with the wrapper around fetch that keeps its token. It replaces none before its end. */
import { OAuth2Client, OAuth2Fetch } from "@badgateway/oauth2-client"
import { client, type Peer } from "./Peer.ts"

export const peer: Peer = {
  name: "@badgateway/oauth2-client",
  connect: ({ fetch, tokenEndpoint }) => {
    const oauth = new OAuth2Client({ clientId: client.id, clientSecret: client.secret, tokenEndpoint, fetch })
    const wrapper = new OAuth2Fetch({ client: oauth, getNewToken: () => oauth.clientCredentials() })
    const through = wrapper.mw()
    const send = async (response: Response) => {
      await response.text()
      return response.status
    }
    return {
      header: async () => `Bearer ${await wrapper.getAccessToken()}`,
      client: {
        name: "fetch",
        plain: async (url) => send(await fetch(new Request(url))),
        authenticated: async (url) => send(await through(new Request(url), fetch))
      }
    }
  }
}
