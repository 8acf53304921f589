// Built from contracts/src/StateProofVerifier.sol by npm run contracts:build; do not edit.

export const stateProofVerifierAbi = [
	{
		"inputs": [
			{
				"components": [
					{
						"internalType": "uint64",
						"name": "chainId",
						"type": "uint64"
					},
					{
						"internalType": "uint64",
						"name": "height",
						"type": "uint64"
					},
					{
						"internalType": "bytes32",
						"name": "blockHash",
						"type": "bytes32"
					},
					{
						"internalType": "bytes32[4]",
						"name": "roots",
						"type": "bytes32[4]"
					}
				],
				"internalType": "struct StateProofVerifier.Checkpoint",
				"name": "checkpoint",
				"type": "tuple"
			}
		],
		"name": "stateRootOf",
		"outputs": [
			{
				"internalType": "bytes32",
				"name": "",
				"type": "bytes32"
			}
		],
		"stateMutability": "pure",
		"type": "function"
	},
	{
		"inputs": [
			{
				"internalType": "bytes32",
				"name": "stateRoot",
				"type": "bytes32"
			},
			{
				"components": [
					{
						"internalType": "uint64",
						"name": "chainId",
						"type": "uint64"
					},
					{
						"internalType": "uint64",
						"name": "height",
						"type": "uint64"
					},
					{
						"internalType": "bytes32",
						"name": "blockHash",
						"type": "bytes32"
					},
					{
						"internalType": "bytes32[4]",
						"name": "roots",
						"type": "bytes32[4]"
					}
				],
				"internalType": "struct StateProofVerifier.Checkpoint",
				"name": "checkpoint",
				"type": "tuple"
			},
			{
				"internalType": "bytes16",
				"name": "key",
				"type": "bytes16"
			},
			{
				"components": [
					{
						"internalType": "bytes32[3][]",
						"name": "siblings",
						"type": "bytes32[3][]"
					},
					{
						"internalType": "bool",
						"name": "endsInLeaf",
						"type": "bool"
					},
					{
						"internalType": "bytes16",
						"name": "leafKey",
						"type": "bytes16"
					},
					{
						"internalType": "bytes32",
						"name": "leafContentHash",
						"type": "bytes32"
					}
				],
				"internalType": "struct StateProofVerifier.Path[4]",
				"name": "paths",
				"type": "tuple[4]"
			}
		],
		"name": "verifyExclusion",
		"outputs": [
			{
				"internalType": "bool",
				"name": "",
				"type": "bool"
			}
		],
		"stateMutability": "pure",
		"type": "function"
	},
	{
		"inputs": [
			{
				"internalType": "bytes32",
				"name": "stateRoot",
				"type": "bytes32"
			},
			{
				"components": [
					{
						"internalType": "uint64",
						"name": "chainId",
						"type": "uint64"
					},
					{
						"internalType": "uint64",
						"name": "height",
						"type": "uint64"
					},
					{
						"internalType": "bytes32",
						"name": "blockHash",
						"type": "bytes32"
					},
					{
						"internalType": "bytes32[4]",
						"name": "roots",
						"type": "bytes32[4]"
					}
				],
				"internalType": "struct StateProofVerifier.Checkpoint",
				"name": "checkpoint",
				"type": "tuple"
			},
			{
				"internalType": "uint256",
				"name": "layer",
				"type": "uint256"
			},
			{
				"internalType": "bytes16",
				"name": "key",
				"type": "bytes16"
			},
			{
				"components": [
					{
						"internalType": "bytes32[3][]",
						"name": "siblings",
						"type": "bytes32[3][]"
					},
					{
						"internalType": "bool",
						"name": "endsInLeaf",
						"type": "bool"
					},
					{
						"internalType": "bytes16",
						"name": "leafKey",
						"type": "bytes16"
					},
					{
						"internalType": "bytes32",
						"name": "leafContentHash",
						"type": "bytes32"
					}
				],
				"internalType": "struct StateProofVerifier.Path",
				"name": "path",
				"type": "tuple"
			}
		],
		"name": "verifyExclusionFromLayer",
		"outputs": [
			{
				"internalType": "bool",
				"name": "",
				"type": "bool"
			}
		],
		"stateMutability": "pure",
		"type": "function"
	},
	{
		"inputs": [
			{
				"internalType": "bytes32",
				"name": "stateRoot",
				"type": "bytes32"
			},
			{
				"components": [
					{
						"internalType": "uint64",
						"name": "chainId",
						"type": "uint64"
					},
					{
						"internalType": "uint64",
						"name": "height",
						"type": "uint64"
					},
					{
						"internalType": "bytes32",
						"name": "blockHash",
						"type": "bytes32"
					},
					{
						"internalType": "bytes32[4]",
						"name": "roots",
						"type": "bytes32[4]"
					}
				],
				"internalType": "struct StateProofVerifier.Checkpoint",
				"name": "checkpoint",
				"type": "tuple"
			},
			{
				"internalType": "uint256",
				"name": "layer",
				"type": "uint256"
			},
			{
				"internalType": "bytes16",
				"name": "key",
				"type": "bytes16"
			},
			{
				"internalType": "bytes32",
				"name": "contentHash",
				"type": "bytes32"
			},
			{
				"internalType": "bytes32[3][]",
				"name": "siblings",
				"type": "bytes32[3][]"
			}
		],
		"name": "verifyInclusion",
		"outputs": [
			{
				"internalType": "bool",
				"name": "",
				"type": "bool"
			}
		],
		"stateMutability": "pure",
		"type": "function"
	}
] as const;

export const stateProofVerifierBytecode = "0x6080604052348015600e575f5ffd5b506109b08061001c5f395ff3fe608060405234801561000f575f5ffd5b506004361061004a575f3560e01c80631dc1ec741461004e578063513f805b14610076578063d0efbb3b14610089578063e481cbab146100aa575b5f5ffd5b61006161005c366004610657565b6100bd565b60405190151581526020015b60405180910390f35b6100616100843660046106c3565b61013a565b61009c610097366004610777565b6101ab565b60405190815260200161006d565b6100616100b8366004610791565b61025e565b5f805b60048110156101235761010e8560600182600481106100e1576100e1610809565b6020020135858584600481106100f9576100f9610809565b602002810190610109919061081d565b6102b3565b61011b575f915050610132565b6001016100c0565b508461012e856101ab565b1490505b949350505050565b5f60048610158061014b5750604082115b1561015757505f6101a0565b86606001866004811061016c5761016c610809565b602002013561018661017e87876103eb565b878686610482565b1461019257505f6101a0565b8761019c886101ab565b1490505b979650505050505050565b5f600273726563616e742e73746174652d726f6f742e763160601b6101d3602085018561083b565b6101e3604086016020870161083b565b856040013586606001604051602001610200959493929190610862565b60408051601f198184030181529082905261021a916108ac565b602060405180830381855afa158015610235573d5f5f3e3d5ffd5b5050506040513d601f19601f8201168201806040525081019061025891906108c2565b92915050565b5f600484101580610290575061028e85606001856004811061028257610282610809565b602002013584846102b3565b155b1561029c57505f6102aa565b856102a6866101ab565b1490505b95945050505050565b5f806102bf83806108d9565b91505060408111156102d4575f9150506103e4565b6102e46040840160208501610925565b61033e576102f86060840160408501610944565b6001600160801b0319161515806103125750606083013515155b15610320575f9150506103e4565b846103355f8661033087806108d9565b610482565b149150506103e4565b6001600160801b031984166103596060850160408601610944565b6001600160801b03191614806103a55750610375816002610971565b610380906080610988565b846103916060860160408701610944565b6001600160801b03199118811690911c1615155b156103b3575f9150506103e4565b846103df6103d46103ca6060870160408801610944565b86606001356103eb565b8661033087806108d9565b149150505b9392505050565b60405173726563616e742e73746174652d6c6561662e763160601b60208201526001600160801b031983166035820152604581018290525f9060029060650160408051601f1981840301815290829052610444916108ac565b602060405180830381855afa15801561045f573d5f5f3e3d5ffd5b5050506040513d601f19601f820116820180604052508101906103e491906108c2565b83815b801561061c576104948161099b565b9050368484838181106104a9576104a9610809565b90506060020190505f8260026104bf9190610971565b6104ca90607e610988565b608088901c901c6003169050600273726563616e742e73746174652d6e6f64652e763160601b82156104fd5783356104ff565b855b83600114610536578460018510610517576001610519565b5f5b60ff166003811061052c5761052c610809565b6020020135610538565b865b84600214610570578560028610610550576002610553565b60015b60ff166003811061056657610566610809565b6020020135610572565b875b85600314610584576040870135610586565b885b6040516affffffffffffffffffffff199095166020860152603585019390935260558401919091526075830152609582015260b50160408051601f19818403018152908290526105d5916108ac565b602060405180830381855afa1580156105f0573d5f5f3e3d5ffd5b5050506040513d601f19601f8201168201806040525081019061061391906108c2565b93505050610485565b50949350505050565b5f60e08284031215610635575f5ffd5b50919050565b80356001600160801b031981168114610652575f5ffd5b919050565b5f5f5f5f610140858703121561066b575f5ffd5b8435935061067c8660208701610625565b925061068b610100860161063b565b915061012085013567ffffffffffffffff8111156106a7575f5ffd5b8501608081018710156106b8575f5ffd5b939692955090935050565b5f5f5f5f5f5f5f610180888a0312156106da575f5ffd5b873596506106eb8960208a01610625565b95506101008801359450610702610120890161063b565b9350610140880135925061016088013567ffffffffffffffff811115610726575f5ffd5b8801601f81018a13610736575f5ffd5b803567ffffffffffffffff81111561074c575f5ffd5b8a6020606083028401011115610760575f5ffd5b602082019350809250505092959891949750929550565b5f60e08284031215610787575f5ffd5b6103e48383610625565b5f5f5f5f5f61016086880312156107a6575f5ffd5b853594506107b78760208801610625565b935061010086013592506107ce610120870161063b565b915061014086013567ffffffffffffffff8111156107ea575f5ffd5b8601608081890312156107fb575f5ffd5b809150509295509295909350565b634e487b7160e01b5f52603260045260245ffd5b5f8235607e19833603018112610831575f5ffd5b9190910192915050565b5f6020828403121561084b575f5ffd5b813567ffffffffffffffff811681146103e4575f5ffd5b6affffffffffffffffffffff19861681526001600160c01b031960c086811b8216601584015285901b16601d82015260258101839052608082604583013760c50195945050505050565b5f82518060208501845e5f920191825250919050565b5f602082840312156108d2575f5ffd5b5051919050565b5f5f8335601e198436030181126108ee575f5ffd5b83018035915067ffffffffffffffff821115610908575f5ffd5b602001915060608102360382131561091e575f5ffd5b9250929050565b5f60208284031215610935575f5ffd5b813580151581146103e4575f5ffd5b5f60208284031215610954575f5ffd5b6103e48261063b565b634e487b7160e01b5f52601160045260245ffd5b80820281158282048414176102585761025861095d565b818103818111156102585761025861095d565b5f816109a9576109a961095d565b505f19019056" as const;
