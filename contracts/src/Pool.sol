// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The example pool of Recant: says what was traded, for local chains.
/// @notice Anyone may trade any amount of nothing. Never deploy it where value is meant.
contract Pool {
    event Traded(address indexed by, uint256 value);

    error NothingTraded();

    uint256 public total;

    /// @notice Adds `value` to what was traded.
    function trade(uint256 value) external {
        total += value;
        emit Traded(msg.sender, value);
    }

    /// @notice What was traded; refuses where nothing was.
    function traded() external view returns (uint256) {
        if (total == 0) revert NothingTraded();
        return total;
    }
}

/// @title Makes pools, and tells of each.
contract PoolFactory {
    event PoolMade(address indexed pool, bytes32 salt);

    /// @notice Makes a pool whose address follows from `salt` alone, and trades there in the same transaction:
    /// once before anybody is told of it, and once after.
    function make(bytes32 salt, uint256 before, uint256 value) external {
        Pool pool = new Pool{salt: salt}();
        if (before > 0) pool.trade(before);
        emit PoolMade(address(pool), salt);
        if (value > 0) pool.trade(value);
    }

    /// @notice Makes the same pool and tells nobody.
    function makeUntold(bytes32 salt) external {
        new Pool{salt: salt}();
    }
}
