// Built from contracts/src/Pool.sol by npm run contracts:build; do not edit.

export const poolAbi = [
	{
		"inputs": [],
		"name": "NothingTraded",
		"type": "error"
	},
	{
		"anonymous": false,
		"inputs": [
			{
				"indexed": true,
				"internalType": "address",
				"name": "by",
				"type": "address"
			},
			{
				"indexed": false,
				"internalType": "uint256",
				"name": "value",
				"type": "uint256"
			}
		],
		"name": "Traded",
		"type": "event"
	},
	{
		"inputs": [],
		"name": "total",
		"outputs": [
			{
				"internalType": "uint256",
				"name": "",
				"type": "uint256"
			}
		],
		"stateMutability": "view",
		"type": "function"
	},
	{
		"inputs": [
			{
				"internalType": "uint256",
				"name": "value",
				"type": "uint256"
			}
		],
		"name": "trade",
		"outputs": [],
		"stateMutability": "nonpayable",
		"type": "function"
	},
	{
		"inputs": [],
		"name": "traded",
		"outputs": [
			{
				"internalType": "uint256",
				"name": "",
				"type": "uint256"
			}
		],
		"stateMutability": "view",
		"type": "function"
	}
] as const;

export const poolBytecode = "0x6080604052348015600e575f5ffd5b5061012b8061001c5f395ff3fe608060405234801561000f575f5ffd5b506004361061003f575f3560e01c80632ddbd13a146100435780635f4a019b1461005d578063df1dd82614610065575b5f5ffd5b61004b5f5481565b60405190815260200160405180910390f35b61004b61007a565b6100786100733660046100ef565b6100a2565b005b5f5f545f0361009c57604051631ba75c0960e11b815260040160405180910390fd5b505f5490565b805f5f8282546100b29190610106565b909155505060405181815233907fe39122fcaa92bc902344d31c0f322ba04506be819fd20dafb197b26bf2e9045d9060200160405180910390a250565b5f602082840312156100ff575f5ffd5b5035919050565b8082018082111561012557634e487b7160e01b5f52601160045260245ffd5b9291505056" as const;
