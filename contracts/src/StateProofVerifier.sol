// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Verifies Recant's proofs: that a memory was, or was not, part of the state at a block.
/// @notice Holds nothing and trusts nothing. What a proof shows rests on the state root that the caller
/// names: where it came from, this contract cannot know. docs/STATE-TREE.md defines every hash.
/// @dev Malformed calldata reverts; everything else that does not prove what it should answers false.
contract StateProofVerifier {
    /// @notice The block that a state root belongs to, and the roots of its four layers in the order
    /// short_term, long_term, episodic, semantic.
    struct Checkpoint {
        uint64 chainId;
        uint64 height;
        bytes32 blockHash;
        bytes32[4] roots;
    }

    /// @notice The way from a layer's root to where a key is, or would be.
    /// @param siblings Root first: the three children that are not on the way, in the order of their digits.
    /// @param endsInLeaf False: nothing stands at the end; `leafKey` and `leafContentHash` are zero then.
    struct Path {
        bytes32[3][] siblings;
        bool endsInLeaf;
        bytes16 leafKey;
        bytes32 leafContentHash;
    }

    uint256 private constant LAYERS = 4;
    /// Digits of a key, two bits each.
    uint256 private constant MAX_DEPTH = 64;
    bytes21 private constant LEAF_TAG = "recant.state-leaf.v1\x00";
    bytes21 private constant NODE_TAG = "recant.state-node.v1\x00";
    bytes21 private constant ROOT_TAG = "recant.state-root.v1\x00";

    /// @notice Whether the memory with that key and content hash is in that layer of the state.
    /// @param layer Index into `roots`.
    function verifyInclusion(
        bytes32 stateRoot,
        Checkpoint calldata checkpoint,
        uint256 layer,
        bytes16 key,
        bytes32 contentHash,
        bytes32[3][] calldata siblings
    ) public pure returns (bool) {
        if (layer >= LAYERS || siblings.length > MAX_DEPTH) return false;
        if (_rootAbove(_leafHash(key, contentHash), key, siblings) != checkpoint.roots[layer]) return false;
        return stateRootOf(checkpoint) == stateRoot;
    }

    /// @notice Whether no memory with that key is in the state, whatever its layer.
    /// @param paths One for each layer.
    function verifyExclusion(
        bytes32 stateRoot,
        Checkpoint calldata checkpoint,
        bytes16 key,
        Path[4] calldata paths
    ) public pure returns (bool) {
        for (uint256 layer = 0; layer < LAYERS; ++layer) {
            if (!_isAbsent(checkpoint.roots[layer], key, paths[layer])) return false;
        }
        return stateRootOf(checkpoint) == stateRoot;
    }

    /// @notice Whether no memory with that key is in that one layer of the state.
    function verifyExclusionFromLayer(
        bytes32 stateRoot,
        Checkpoint calldata checkpoint,
        uint256 layer,
        bytes16 key,
        Path calldata path
    ) public pure returns (bool) {
        if (layer >= LAYERS || !_isAbsent(checkpoint.roots[layer], key, path)) return false;
        return stateRootOf(checkpoint) == stateRoot;
    }

    /// @notice Binds the layers' roots to their chain, height and block.
    function stateRootOf(Checkpoint calldata checkpoint) public pure returns (bytes32) {
        return sha256(
            abi.encodePacked(
                ROOT_TAG,
                checkpoint.chainId,
                checkpoint.height,
                checkpoint.blockHash,
                checkpoint.roots
            )
        );
    }

    /// @dev A leaf that ends the way is another key's, and stands where `key` would: it begins alike.
    function _isAbsent(bytes32 root, bytes16 key, Path calldata path) private pure returns (bool) {
        uint256 depth = path.siblings.length;
        if (depth > MAX_DEPTH) return false;
        if (!path.endsInLeaf) {
            if (path.leafKey != 0 || path.leafContentHash != 0) return false;
            return _rootAbove(0, key, path.siblings) == root;
        }
        // Keys that differ below the first `depth` digits; a shift by all 128 bits leaves nothing.
        if (path.leafKey == key || (path.leafKey ^ key) >> (128 - 2 * depth) != 0) return false;
        return _rootAbove(_leafHash(path.leafKey, path.leafContentHash), key, path.siblings) == root;
    }

    /// @dev Hashes from the end of the way up to the root. The caller has checked the depth.
    function _rootAbove(bytes32 end, bytes16 key, bytes32[3][] calldata siblings)
        private
        pure
        returns (bytes32 hash)
    {
        hash = end;
        for (uint256 depth = siblings.length; depth > 0;) {
            --depth;
            bytes32[3] calldata other = siblings[depth];
            uint256 digit = (uint256(uint128(key)) >> (126 - 2 * depth)) & 3;
            hash = sha256(
                abi.encodePacked(
                    NODE_TAG,
                    digit == 0 ? hash : other[0],
                    digit == 1 ? hash : other[digit < 1 ? 0 : 1],
                    digit == 2 ? hash : other[digit < 2 ? 1 : 2],
                    digit == 3 ? hash : other[2]
                )
            );
        }
    }

    function _leafHash(bytes16 key, bytes32 contentHash) private pure returns (bytes32) {
        return sha256(abi.encodePacked(LEAF_TAG, key, contentHash));
    }
}
